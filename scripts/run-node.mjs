/** Run a compiled program in the foreground: signals are passed on, and its end is ours. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './set-up.mjs';

export function runNode(script, args) {
  const child = spawn(process.execPath, [join(root, script), ...args], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 1;
    if (signal !== null) process.stderr.write(`${script} was ended by ${signal}\n`);
  });
}
