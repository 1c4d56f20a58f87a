/**
 * Makes chosen system calls of a running process on one file fail, by attaching strace to it: the faults hit real code on a real
 * kernel. strace counts per thread, so a host under injection runs with one thread for its asynchronous files (`ONE_DISK_THREAD`).
 */
import type { ChildProcess } from 'node:child_process';
import { sleep, spawnTracked, within } from './host-process.ts';

/** Environment of a host whose system calls are to be counted. */
export const ONE_DISK_THREAD = { env: { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' } } as const;

export interface Injection {
  /** The file; all others work. */
  readonly path: string;
  /** Names of system calls, with commas. */
  readonly calls: string;
  /** Which of them, as strace says it: `2`, `1+`, `3..5`. */
  readonly when: string;
  readonly errno?: string;
}

export class FaultInjection {
  readonly #strace: ChildProcess;
  #text = '';

  private constructor(strace: ChildProcess) {
    this.#strace = strace;
    strace.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#text += text));
  }

  /** Attach to a process and all its threads. */
  static async attach(pid: number | null, { path, calls, when, errno = 'EIO' }: Injection): Promise<FaultInjection> {
    const args = ['-f', '-p', String(pid), '-P', path, '-e', `trace=${calls}`, '-e', `inject=${calls}:error=${errno}:when=${when}`];
    const injection = new FaultInjection(spawnTracked('strace', args));
    for (let tries = 0; tries < 500 && !/attached/.test(injection.#text); tries += 1) await sleep(10);
    if (!/attached/.test(injection.#text)) throw new Error(`strace did not attach: ${injection.#text}`);
    // It attaches thread by thread.
    await sleep(200);
    return injection;
  }

  /** How many calls were made to fail. */
  get injected(): number {
    return this.#text.split('(INJECTED)').length - 1;
  }

  get text(): string {
    return this.#text;
  }

  /** Let go of the process. */
  async detach(): Promise<void> {
    if (this.#strace.exitCode !== null) return;
    const gone = new Promise<void>((resolve) => void this.#strace.once('exit', () => resolve()));
    this.#strace.kill('SIGINT');
    await within(gone, 5000);
  }
}
