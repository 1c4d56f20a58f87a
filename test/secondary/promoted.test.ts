/** A secondary whose promotion, or whose service after it, meets a failure: what it says, what is durable, and what the next start does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ListenAddress } from '../../src/model/addresses.ts';
import { EXIT, RefusedError } from '../../src/model/errors.ts';
import type { PrimaryFacts } from '../../src/model/handshake.ts';
import { PROTOCOL_VERSION } from '../../src/model/handshake.ts';
import { NBD_ERRNO } from '../../src/nbd/contract.ts';
import { PROMOTION_STEPS } from '../../src/protocol/promotion-plan.ts';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { inlineCarrier } from '../../src/secondary/destager.ts';
import { promote } from '../../src/secondary/promotion.ts';
import { Secondary, type SecondaryOptions } from '../../src/secondary/secondary.ts';
import { hostStatePath, readHostState, type HostState } from '../../src/state/host-state.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { announceHostEpoch } from '../../journals/watermark-epoch.ts';
import { alignedStart } from '../../src/disk/alignment.ts';
import type { NbdService } from '../../src/nbd/server.ts';
import { codeOf } from '../support/scratch.ts';
import { RECORDS_OFFSET } from '../../journals/format.ts';
import { TestDisk } from '../support/test-disk.ts';
import { NotedSocket } from '../support/noted-socket.ts';
import { NotedRequest } from '../support/primary-volume.ts';
import { allRecords, writeJournal } from '../support/secondary-host-journals.ts';
import type { ModelDataSet, ModelPrimary } from '../support/secondary-host-primary.ts';
import {
  GROUP_ID,
  initialiseSecondary,
  JOURNALS_DIRECTORY,
  modelOf,
  smallGeometry,
  STATE_DIRECTORY,
  STREAM,
  VOLUMES,
} from '../support/secondary-host.ts';
import { until } from '../support/until.ts';

const SLOTS = 4;
const NOW = { force: false, dryRun: false };

/** A secondary in this process, the far ends of its links, and what it logged. */
class Bench {
  readonly disk: TestDisk;
  readonly sockets: NotedSocket[] = [];
  readonly log: string[] = [];
  readonly model: ModelPrimary;
  #secondary: Secondary | null = null;

  constructor(disk: TestDisk, model: ModelPrimary) {
    this.disk = disk;
    this.model = model;
  }

  /** Initialised and bound, with data set 0 complete and 1 partial in its journals. */
  static async prepare(): Promise<Bench> {
    const disk = new TestDisk({ seed: 1 });
    await initialiseSecondary(disk, SLOTS);
    const bench = new Bench(disk, modelOf({ slots: SLOTS, recordsMin: 4, dataSets: 3 }));
    const [first, second] = bench.model.dataSets as [ModelDataSet, ModelDataSet];
    writeJournal(disk, first, { slots: SLOTS, records: allRecords(first), flagged: true });
    writeJournal(disk, second, { slots: SLOTS, records: allRecords(second).slice(0, 2) });
    return bench;
  }

  get secondary(): Secondary {
    if (this.#secondary === null) throw new Error('the secondary has started');
    return this.#secondary;
  }

  get stored(): HostState {
    return readHostState(this.disk, STATE_DIRECTORY);
  }

  async start(options: Partial<SecondaryOptions> = {}): Promise<Secondary> {
    this.#secondary = await Secondary.start({
      disk: this.disk,
      group: 'g',
      stateDirectory: STATE_DIRECTORY,
      volumes: VOLUMES,
      connect: ['ws://primary'],
      links: 1,
      journals: { directory: JOURNALS_DIRECTORY, geometry: smallGeometry(SLOTS) },
      nbdListen: [],
      objectiveMs: 1000,
      dial: true,
      connectSocket: () => {
        const socket = new NotedSocket();
        this.sockets.push(socket);
        setImmediate(() => socket.emit('open'));
        return socket.asWebSocket;
      },
      openCarrier: (buffers) => inlineCarrier(() => openVolumes(this.disk, VOLUMES, { lock: false }), buffers),
      log: (level, message) => void this.log.push(`${level} ${message}`),
      ...options,
    });
    return this.#secondary;
  }

  /** Answer the newest hello as the primary of the model would. */
  async agree(): Promise<NotedSocket> {
    await until('a hello', () => this.sockets.at(-1)?.sent('hello').length === 1);
    const socket = this.sockets.at(-1) as NotedSocket;
    socket.receive({ kind: 'welcome', facts: this.#primaryFacts() });
    await until('ready', () => socket.sent('ready').length === 1);
    return socket;
  }

  /** The records of a data set as one message. */
  message(dataSet: number, from = 0): Parameters<NotedSocket['receive']>[0] {
    const { records } = this.model.dataSets[dataSet] as ModelDataSet;
    return { kind: 'records', encoded: Buffer.concat(records.slice(from).map(({ bytes }) => bytes)) };
  }

  #primaryFacts(): PrimaryFacts {
    const { dataSets } = this.model;
    const newest = (dataSets.at(-1) as ModelDataSet).point;
    const state = this.secondary.state;
    return {
      protocolVersion: PROTOCOL_VERSION,
      role: 'primary',
      state: 'serving',
      groupName: 'g',
      groupId: GROUP_ID,
      generations: state.generations,
      stream: STREAM.stream,
      session: '00000000000000cc',
      sessionFirstSequence: 0,
      hostEpoch: 0,
      volumes: state.volumes,
      dataSetBytesMax: 32_768,
      dataSetRecordsMax: 100,
      chains: dataSets.map(({ point }) => point),
      acknowledged: null,
      unacknowledged: dataSets.map(({ dataSet, firstSequence, point, records }) => ({
        dataSet,
        firstSequence,
        finalSequence: point.finalSequence,
        acknowledged: new Uint8Array(Math.ceil(records.length / 8)),
      })),
      head: { dataSet: newest.dataSet + 1, sequence: newest.finalSequence, bytes: 1, timeMs: 1 },
    };
  }
}

async function refusal(work: Promise<unknown>): Promise<RefusedError> {
  const error = await work.then(
    () => null,
    (caught: unknown) => caught,
  );
  assert.instance(error, RefusedError);
  return error as RefusedError;
}

function stepsOf(log: readonly string[]): string[] {
  return log.filter((line) => line.startsWith('info promotion step ')).map((line) => line.slice('info promotion step '.length));
}

test('the log names the steps of a promotion as the table has them', async () => {
  const bench = await Bench.prepare();
  const secondary = await bench.start();
  await promote(secondary, NOW);
  assert.equal(
    stepsOf(bench.log),
    PROMOTION_STEPS.map(({ step, name }) => `${step}: ${name}`),
  );
  await secondary.stop();
});

for (const operation of ['flush', 'write'] as const) {
  test(`a promoted host whose ${operation} failed stays failed over a restart, until --standalone serves what is there`, async () => {
    const bench = await Bench.prepare();
    const secondary = await bench.start();
    await promote(secondary, NOW);
    bench.disk.failNext(operation, 'EIO', VOLUMES[0]?.path);
    const request = operation === 'flush' ? new NotedRequest({ command: 'flush' }) : new NotedRequest();
    secondary.application?.submit([request]);
    await until('an answer', () => request.answer !== null);
    assert.equal([request.answer, secondary.status().state, bench.stored.condition], [NBD_ERRNO.EIO, 'failed', 'failed']);
    await secondary.stop();
    const error = await refusal(bench.start());
    assert.equal([error.code, error.exitCode], ['ERR_GROUP_FAILED', EXIT.refused]);
    assert.match(error.hint ?? '', /--standalone/);
    const again = await bench.start({ standalone: true });
    assert.equal([again.phase, bench.stored.condition], ['promoted', 'promoted']);
    const read = new NotedRequest({ command: 'flush' });
    again.application?.submit([read]);
    await until('an answer', () => read.answer !== null);
    assert.is(read.answer, NBD_ERRNO.ok);
    await again.stop();
  });
}

test('promotion while the NBD address is taken: it says so, the old primary is told, and the next start serves', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-test-'));
  const path = join(folder, 'nbd.sock');
  const other: Server = createServer().listen(path);
  try {
    await new Promise((resolve) => other.once('listening', resolve));
    const nbdListen: ListenAddress[] = [{ kind: 'unix', path }];
    const bench = await Bench.prepare();
    const secondary = await bench.start({ nbdListen });
    const dialled = bench.sockets.length;
    const error = await promote(secondary, NOW).catch((caught: unknown) => caught as RefusedError);
    assert.is((error as RefusedError).code, 'ERR_NBD_LISTEN');
    const { state, reason } = secondary.status();
    assert.is(state, 'failed');
    assert.match(reason ?? '', /promoted durably, but not serving.*another server listens there/);
    assert.is(bench.stored.condition, 'promoted', 'what was promoted stays so');
    await until('superseded is sent', () => bench.sockets.slice(dialled).some((socket) => socket.sent('superseded').length > 0));
    await secondary.stop();
    await new Promise((resolve) => other.close(resolve));
    const again = await bench.start({ nbdListen });
    assert.equal([again.phase, again.status().state], ['promoted', 'promoted']);
    await again.stop();
  } finally {
    other.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a promoted host looks at the storage before it serves: another took its place, or nobody can say so', async () => {
  const openNbd = (): NbdService => ({ start: async () => {}, stop: async () => {}, addresses: () => [] });
  const bench = await Bench.prepare();
  await bench.start({ openNbd });
  await promote(bench.secondary, NOW);
  assert.is(bench.secondary.phase, 'promoted');
  await bench.secondary.stop();
  const epoch = journalPath(JOURNALS_DIRECTORY, 0).replace('slot-0000.journal', 'host-epoch');
  const noted = bench.disk.readFile(epoch);
  assert.is.not(noted, null, 'it is noted where a peer looks');
  await announceHostEpoch({ disk: bench.disk, directory: JOURNALS_DIRECTORY, alignedStart, hostEpoch: 1 });
  assert.is(await codeOf(() => bench.start({ openNbd })), 'ERR_HOST_SUPERSEDED');
  bench.disk.unlink(epoch);
  bench.disk.unlink(watermarkPath(JOURNALS_DIRECTORY));
  assert.is(await codeOf(() => bench.start({ openNbd })), 'ERR_WATERMARK_MISSING');
  await bench.start({ openNbd, standalone: true });
  assert.is(bench.secondary.phase, 'promoted');
  await bench.secondary.stop();
});

test('a promotion that is given up makes the links anew, so that what was not taken meanwhile is sent again', async () => {
  const bench = await Bench.prepare();
  const secondary = await bench.start();
  const socket = await bench.agree();
  bench.disk.failNext('replaceFile', 'ENOSPC', hostStatePath(STATE_DIRECTORY));
  // The commit of these is what step 1 waits for; the next ones arrive while it does.
  socket.receive(bench.message(1, 2));
  const promotion = promote(secondary, { force: true, dryRun: false });
  socket.receive(bench.message(2));
  assert.is((await refusal(promotion)).code, 'ERR_PROMOTION_STUCK');
  assert.equal([secondary.phase, bench.stored.condition, socket.closedWith?.code], ['replicating', 'active', CLOSE_CODE.shutdown]);
  await until('another dial', () => bench.sockets.length === 2);
  const next = await bench.agree();
  next.receive(bench.message(2));
  await until('all is destaged', () => secondary.replica?.watermarkPoint?.dataSet === 2);
  await secondary.stop();
});

test('a failed secondary refuses to be promoted at once', async () => {
  const bench = await Bench.prepare();
  const secondary = await bench.start();
  secondary.fail('ERR_JOURNAL_FAILED', 'the disk is gone');
  const before = performance.now();
  const error = await refusal(promote(secondary, NOW));
  assert.is(error.code, 'ERR_GROUP_FAILED');
  assert.match(error.message, /the disk is gone/);
  assert.ok(performance.now() - before < 1_000);
  assert.equal([secondary.phase, bench.stored.condition], ['failed', 'active']);
  await secondary.stop();
});

test('a damaged record is logged with its place, what was expected and what was found, and asked for again', async () => {
  const bench = await Bench.prepare();
  const secondary = await bench.start();
  const socket = await bench.agree();
  const set = bench.model.dataSets[2] as ModelDataSet;
  const record = Uint8Array.from(set.records[0]?.bytes ?? []);
  record[record.length - 1] = (record.at(-1) ?? 0) ^ 0xff;
  socket.receive({ kind: 'records', encoded: record });
  const [line = ''] = bench.log.filter((one) => one.includes('checksum'));
  assert.match(
    line,
    new RegExp(`record ${set.firstSequence} of data set 2 at byte \\d+ of its message: payload checksum expected \\w+, found \\w+`),
  );
  assert.match(line, /^warn from ws:\/\/primary/);
  assert.equal(
    socket.sent('reject').map(({ reason, sequence }) => [reason, sequence]),
    [['checksum', set.firstSequence]],
  );
  await secondary.stop();
});

test('a kept journal that cannot be read to its end is logged with its file and the byte', async () => {
  const bench = await Bench.prepare();
  const path = journalPath(JOURNALS_DIRECTORY, 1);
  const at = RECORDS_OFFSET + (bench.model.dataSets[1]?.records[0]?.bytes.length ?? 0);
  const file = bench.disk.open(path, { durableWrites: true });
  const image = new Uint8Array(file.sizeBytes());
  file.readSync(image, 0);
  image[at + 30] = (image[at + 30] ?? 0) ^ 0xff;
  file.writeSync(image, 0);
  file.closeSync();
  const secondary = await bench.start();
  const lines = bench.log.filter((line) => line.includes(path));
  assert.is(lines.length, 1, bench.log.join('\n'));
  assert.match(lines[0] ?? '', new RegExp(`^warn ${path}: unreadable from byte ${at} on: expected .+, found `));
  await secondary.stop();
});

test.run();
