/**
 * Planted bugs that show that the fuzzer bites: each is a few words of a compiled source in a copy that the test makes, fuzzed with the
 * inputs of one seed of `npm test`. The production code has no switch for any of them.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Bug {
  readonly name: string;
  /** The target that has to find it. */
  readonly target: string;
  /** A source file as it is named in the checkout. */
  readonly file: string;
  /** Words of its compiled text that occur once. */
  readonly find: string;
  readonly replace: string;
  /** Found too late, or by a process of its own that is too heavy, for every run of the tests. */
  readonly slow?: boolean;
}

export const BUGS: readonly Bug[] = [
  {
    name: 'header checksum not compared',
    target: 'record',
    file: 'src/record/record-reader.ts',
    find: 'if (stated !== computed)',
    replace: 'if (false)',
  },
  {
    name: 'payload checksum not compared',
    target: 'record',
    file: 'src/record/record-reader.ts',
    find: 'if (computed !== header.payloadChecksum)',
    replace: 'if (false)',
    slow: true,
  },
  {
    name: 'no bound at the end of the bytes',
    target: 'record',
    file: 'src/record/record-reader.ts',
    find: 'if (offset + this.header.encodedBytes > limit)',
    replace: 'if (false)',
  },
  {
    name: 'any length of a write',
    target: 'record',
    file: 'src/record/record-reader.ts',
    find: "type === 'write' && lengthBytes > LIMITS.recordDataBytesMax",
    replace: 'false',
  },
  {
    name: 'numbers above 2^53 - 1',
    target: 'record',
    file: 'src/record/fields.ts',
    find: 'high > HIGH_MAX ?',
    replace: 'high > 0xffffffff ?',
    slow: true,
  },
  {
    name: 'message checksum not compared',
    target: 'message',
    file: 'src/record/wire.ts',
    find: 'if (stated !== computed)',
    replace: 'if (false)',
  },
  {
    name: 'another stream is taken',
    target: 'message',
    file: 'src/record/records-message.ts',
    find: 'header.generation !== expected.generation ||',
    replace: 'false && header.generation !== expected.generation ||',
    slow: true,
  },
  {
    name: 'durable need not be received',
    target: 'message',
    file: 'src/record/held-data-set.ts',
    find: '((durable[index] ?? 0) & ~(received[index] ?? 0)) !== 0',
    replace: 'false',
  },
  {
    name: 'block checksum not compared',
    target: 'blocks',
    file: 'journals/format.ts',
    find: 'if (stored !== computed)',
    replace: 'if (false)',
  },
  {
    name: 'the older watermark counts',
    target: 'blocks',
    file: 'journals/watermark.ts',
    find: 'a.counter > b.counter',
    replace: 'a.counter < b.counter',
  },
  {
    name: 'a flagged journal that is damaged is partial',
    target: 'sealed-journal',
    file: 'src/protocol/recovery-plan.ts',
    find: ": flagged ? 'set'",
    replace: ": false ? 'set'",
  },
  {
    name: 'a scan ends with the piece that was read',
    target: 'journal',
    file: 'journals/scan.ts',
    find: "if (found.kind === 'incomplete' && availableEnd < this.#image.length)",
    replace: 'if (false)',
    slow: true,
  },
  {
    name: 'state checksum not compared',
    target: 'state',
    file: 'src/state/host-state.ts',
    find: 'match === null || found !== expected',
    replace: 'match === null',
  },
  {
    name: 'recovery ignores the complete flag',
    target: 'recovery',
    file: 'src/protocol/recovery-plan.ts',
    find: ": flagged ? 'set'",
    replace: ": false ? 'set'",
    slow: true,
  },
  {
    name: 'chain not compared',
    target: 'secondary',
    file: 'src/protocol/secondary-machine.ts',
    find: 'if (chain === set.sync.chain)',
    replace: 'if (true)',
    slow: true,
  },
  {
    name: 'a duplicate is acknowledged although not durable',
    target: 'secondary',
    file: 'src/protocol/secondary-machine.ts',
    find: 'if (set.isSafe(index))',
    replace: 'if (true)',
  },
  {
    name: 'any number may be acknowledged',
    target: 'primary',
    file: 'src/protocol/primary-delivery.ts',
    find: 'range.to < nextSequence ?',
    replace: 'true ?',
    slow: true,
  },
  {
    name: 'unsent numbers may be acknowledged',
    target: 'primary',
    file: 'src/protocol/outgoing-queue.ts',
    find: 'if (this.#hasUnsent(range))',
    replace: 'if (false)',
    slow: true,
  },
  {
    name: 'damaged and foreign records are held',
    target: 'peer',
    file: 'src/peer/record-holder.ts',
    find: 'if (fault !== null)',
    replace: 'if (false)',
  },
  {
    name: 'held before the flush',
    target: 'peer',
    file: 'src/peer/record-holder.ts',
    find: 'Math.min(this.#heldThrough, next)',
    replace: 'next',
  },
  {
    name: 'a former link brings records of another stream',
    target: 'peer',
    file: 'src/peer/peer-links.ts',
    find: 'this.#closeFormer(session, recordStream);',
    replace: '',
  },
  {
    name: 'sent is held',
    target: 'write-back',
    file: 'src/protocol/mirror-ledger.ts',
    find: 'this.#unheld.push({',
    replace:
      'for (const { dataSet, to } of message.runs) { const set = this.#sets.get(dataSet); if (set !== undefined) set.held = Math.max(set.held, to); } this.#unheld.push({',
  },
  {
    name: 'mirrored without a mark',
    target: 'write-back',
    file: 'src/secondary/mirror/mirror.ts',
    find: '!this.#mark(facts.regionId)',
    replace: 'false',
  },
  {
    name: 'no wait for the marked peer',
    target: 'write-back',
    file: 'src/secondary/secondary.ts',
    find: 'if (this.state.peerMayHoldMore != null)',
    replace: 'false',
  },
  {
    name: 'the end of a link is not told',
    target: 'link-server',
    file: 'src/link/link-server.ts',
    find: 'this.#options.handlers.closed(link, code, reason);',
    replace: '',
  },
  {
    name: 'requests beyond the end',
    target: 'nbd',
    file: 'src/nbd/transmission.ts',
    find: 'if (offset + lengthBytes > facts.sizeBytes)',
    replace: 'if (offset > facts.sizeBytes)',
    slow: true,
  },
  {
    name: 'read-only exports are written',
    target: 'nbd',
    file: 'src/nbd/transmission.ts',
    find: 'if (changes && facts.readOnly)',
    replace: 'if (false)',
  },
  {
    name: 'a refused payload is not skipped',
    target: 'nbd',
    file: 'src/nbd/transmission.ts',
    find: "this.#state = 'discard';",
    replace: "this.#state = 'header';",
    slow: true,
  },
  {
    name: 'a buffer is not given back',
    target: 'nbd',
    file: 'src/nbd/connection.ts',
    find: 'if (request.pooled !== null && (this.#closed || !readGood))',
    replace: 'if (request.pooled !== null && this.#closed)',
    slow: true,
  },
  {
    name: 'any nesting of a config',
    target: 'config',
    file: 'src/cli/config/nesting.ts',
    find: 'parser.stack.length > levelsMax + OTHERS',
    replace: 'false',
    slow: true,
  },
];

const compiledRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const PARTS = ['src', 'journals', 'test/fuzz', 'test/support', 'test/record'];
const LIMIT_MS = 120_000;

/** A copy of the compiled files into which one bug after another is planted. */
export class BugTree {
  readonly #folder = mkdtempSync(join(compiledRoot, '.bugs-'));

  constructor() {
    for (const part of PARTS) {
      mkdirSync(join(this.#folder, dirname(part)), { recursive: true });
      cpSync(join(compiledRoot, part), join(this.#folder, part), { recursive: true, filter: (path) => !path.endsWith('.map') });
    }
  }

  /** Fuzz the bug's target with the bug in place; what was said, or null when nothing was found. */
  async find(bug: Bug, inputs: number): Promise<string | null> {
    const path = join(this.#folder, bug.file.replace(/\.ts$/, '.js'));
    const text = readFileSync(path, 'utf8');
    const pieces = text.split(bug.find);
    if (pieces.length !== 2) throw new Error(`"${bug.find}" stands ${pieces.length - 1} times in ${bug.file}, not once`);
    writeFileSync(path, pieces.join(bug.replace));
    try {
      return await this.#fuzz(bug.target, inputs);
    } finally {
      writeFileSync(path, text);
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #fuzz(target: string, inputs: number): Promise<string | null> {
    const script = join(this.#folder, 'test/fuzz/run.js');
    const child = spawn(process.execPath, [script, '--target', target, '--seed', '1', '--inputs', String(inputs), '--brief'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const listen = (bytes: Buffer): void => {
      said += bytes.toString('utf8');
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        clearTimeout(limit);
        const line = said.split('\n').find((candidate) => candidate.startsWith('broken by'));
        resolve(code === 0 ? null : (line ?? `it ended with ${code ?? signal}`));
      });
    });
  }
}
