/**
 * Step 1 of a takeover: shut the former host out of the shared storage, by the operator's command or by a person's word. Without it
 * nothing is opened: what a host that only seems dead still has in its page cache could be written back at any time.
 */
import { spawn } from 'node:child_process';
import { messageOf } from '../model/errors.ts';
import { LIMITS } from '../model/limits.ts';
import { fenceFailed, fenceNeeded } from './takeover-errors.ts';

type Log = (level: 'info' | 'warn' | 'error', message: string, details?: Record<string, unknown>) => void;

/** Output of a fence command that goes into the log; what is more is cut off. */
const OUTPUT_BYTES_MAX = 64 * 1024;

export interface FenceOptions {
  /** Program and arguments; null: there is no command. */
  readonly fence: readonly string[] | null;
  /** A person says that the former host is shut out: the command is not run. */
  readonly fenced: boolean;
  readonly log: Log;
  readonly limitMs?: number;
}

/** Fence the former host. @throws RefusedError ERR_FENCE_NEEDED, ERR_FENCE_FAILED */
export async function fenceFormerHost({ fence, fenced, log, limitMs = LIMITS.fenceMs }: FenceOptions): Promise<'command' | 'by hand'> {
  if (fenced) {
    log('warn', 'fence: --fenced says that the former host is shut out of the shared storage');
    return 'by hand';
  }
  if (fence === null) throw fenceNeeded();
  log('info', `fence: ${JSON.stringify(fence)}`);
  try {
    await runFence(fence, { log, limitMs });
  } catch (error) {
    log('error', messageOf(error), { code: 'ERR_FENCE_FAILED' });
    throw error;
  }
  log('info', 'fence: done, exit code 0');
  return 'command';
}

function runFence(argv: readonly string[], { log, limitMs }: { log: Log; limitMs: number }): Promise<void> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    // A group of its own, so that its children end with it.
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const output: Buffer[] = [];
    let outputBytes = 0;
    const keep = (piece: Buffer): void => {
      const room = OUTPUT_BYTES_MAX - outputBytes;
      if (room > 0) output.push(piece.subarray(0, room));
      outputBytes += piece.length;
    };
    let why: string | null = null;
    const late = setTimeout(() => {
      why = `did not end within ${limitMs / 1000} s`;
      endGroup(child.pid);
    }, limitMs);
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => {
      clearTimeout(late);
      reject(fenceFailed(argv, `could not be run (${messageOf(error)})`));
    });
    child.on('close', (code, signal) => {
      clearTimeout(late);
      for (const line of Buffer.concat(output).toString('utf8').split('\n')) if (line.trim() !== '') log('info', `fence: ${line}`);
      if (why === null && code === 0) resolve();
      else reject(fenceFailed(argv, why ?? (code === null ? `was ended by ${signal ?? 'a signal'}` : `ended with exit code ${code}`)));
    });
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended by itself meanwhile.
  }
}
