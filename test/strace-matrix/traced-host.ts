/** A host as a process under strace: its start with a fault, what it says of itself, and its end within a bounded time. */
import type { StatusReport } from '../../src/model/status.ts';
import { sleep, type Host } from '../support/host-process.ts';
import { SCENE_PREFIX, SLOTS, type Scene } from './scene.ts';
import { straceWrapper, TRACED_ENVIRONMENT, type Fault } from './traced.ts';
import { must, nameEnd, type End } from './verdict.ts';

const POLL_MS = 10;
/** Longer than a clean stop waits for acknowledgements and connections. */
const STOP_MS = 25_000;

export class TracedHost {
  readonly host: Host;
  readonly #fault: Fault;
  readonly #watch: Promise<void>;
  /** Newest status that it gave. */
  status: StatusReport | null = null;

  constructor(scene: Scene, role: 'primary' | 'secondary', fault: Fault) {
    this.host = scene.hosts[role];
    this.#fault = fault;
    const wrapper = straceWrapper({ folder: scene.folder, role, slots: SLOTS, tracePath: scene.tracePath, fault });
    this.host.launch([], { wrapper, env: TRACED_ENVIRONMENT });
    this.#watch = this.#follow();
  }

  get runs(): boolean {
    return this.host.isRunning;
  }

  get failed(): boolean {
    return this.status?.state === 'failed';
  }

  /** Ask it for its status again and again, so that the last words of one that is killed are known. */
  async #follow(): Promise<void> {
    while (this.runs) {
      const status = await this.host.status().catch(() => null);
      if (status !== null) this.status = status;
      await sleep(POLL_MS);
    }
  }

  /** Wait until something holds, or the process has ended or failed; false: nothing of all that in time. */
  async until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (this.runs && !this.failed && !condition()) {
      if (performance.now() > deadline) return false;
      await sleep(POLL_MS);
    }
    return true;
  }

  /** Stop it if it still runs, and name its end. @throws BadOutcome when it does not end, or says nothing */
  async end(): Promise<string> {
    const failed = this.failed ? (this.status?.reason ?? '') : null;
    const before = this.runs;
    if (before) this.host.signal('SIGTERM');
    const ended = await this.host.ended(STOP_MS).catch(() => null);
    must(ended !== null, `hang: it does not stop within ${STOP_MS / 1000} s`);
    await this.#watch;
    const named = nameEnd({ ...ended, log: this.host.log } satisfies End, this.#fault);
    const caught = before || this.status === null || !named.includes('ERR_SYSTEM_CALL');
    must(caught, `it was running, and ended by an error that nobody waited for: ${named}`);
    if (failed === null) return named;
    const code = /^(ERR_\w+)/.exec(failed)?.[1];
    must(code !== undefined && failed.includes(SCENE_PREFIX), `the state is failed without a code or a file: ${failed}`);
    return `state failed ${code}${named === 'stopped well' ? '' : `, ${named}`}`;
  }

  /** A fault may be mended beside the way; the log says so. */
  get mended(): boolean {
    return /moved whole into a new file|is stored again|binding failed/.test(this.host.log);
  }
}
