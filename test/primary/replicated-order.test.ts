/** The primary's order of writes over the real machine: numbers, records, chains, replies and releases, without links. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Application } from '../../src/application/application.ts';
import { PlainOrder } from '../../src/application/plain-order.ts';
import { CHAIN_START, type SequenceRange } from '../../src/model/ids.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { NBD_ERRNO } from '../../src/nbd/contract.ts';
import { openReplicatedOrder } from '../../src/primary/open-order.ts';
import type { RecordCarrier, ReplicatedOrder } from '../../src/primary/replicated-order.ts';
import type { SendSlice } from '../../src/primary/send-buffer.ts';
import { newStreamState } from '../../src/primary/stream-state.ts';
import type { WireRecord } from '../../src/record/contract.ts';
import { hashChain } from '../../src/record/record.ts';
import { decodeRecords, encodeMessage } from '../../src/record/wire.ts';
import { Random } from '../../src/simulation/random.ts';
import { HeldVolume, NotedRequest } from '../support/primary-volume.ts';

const STREAM = { generation: 1, stream: '00000000000000aa' };
const SESSION = '00000000000000cc';
const GENERATION = {
  number: 1,
  id: '00000000000000bb',
  afterDataSet: null,
  afterSequence: null,
  chain: CHAIN_START,
  firstDataSet: 0,
  firstSequence: 0,
};
const MiB = 1024 * 1024;

/** Ended after each test, or their timers would hold the process. */
const opened: ReplicatedOrder[] = [];
test.after.each(() => {
  for (const order of opened.splice(0)) order.end();
});

/** Notes what is sent, decoded as the secondary does; sockets are done at once unless the test holds them. */
class NotedCarrier implements RecordCarrier {
  readonly records: WireRecord[] = [];
  readonly held: SendSlice[] = [];
  holds = false;

  sendRecords(_link: number, slice: SendSlice): void {
    const message = encodeMessage({ kind: 'records', encoded: Uint8Array.from(slice.bytes) });
    const { records, damaged, violation } = decodeRecords(message, STREAM);
    assert.equal([damaged, violation], [[], null]);
    this.records.push(...records);
    if (this.holds) this.held.push(slice);
    else slice.done();
  }

  requestProgress(): void {}
  closeLink(): void {}
  refillBudgets(): void {}
}

interface Bench {
  readonly volumes: readonly HeldVolume[];
  readonly application: Application;
  readonly order: ReplicatedOrder;
  readonly carrier: NotedCarrier;
  readonly failures: string[];
}

function bench(
  options: { volumeBytes?: number; maxSizeBytes?: number; flushReply?: 'local' | 'remote'; backlogLimitBytes?: number } = {},
): Bench {
  const volumes = [new HeldVolume(options.volumeBytes ?? 65_536, { vlun: 4, name: 'a' }), new HeldVolume(65_536, { vlun: 9, name: 'b' })];
  for (const volume of volumes) volume.storesNow = () => true;
  const application = new Application(volumes, 'test');
  const failures: string[] = [];
  const { maxSizeBytes = 4 * MiB, flushReply = 'local', backlogLimitBytes = 64 * MiB } = options;
  const state = {
    ...newStreamState({ groupId: '0'.repeat(32), stream: STREAM.stream, generation: GENERATION }),
    backlogBytes: 0,
    backlogSha256: '',
  };
  const order = openReplicatedOrder({
    primary: { cutPolicy: { minAgeMs: 0, maxAgeMs: 60_000, maxSizeBytes, recordsMax: 65_536 }, backlogLimitBytes, flushReply },
    application,
    loaded: { state, backlog: new Uint8Array(0) },
    session: SESSION,
    onFailed: (code) => {
      failures.push(code);
      application.fail();
    },
  });
  application.order = order;
  opened.push(order);
  const carrier = new NotedCarrier();
  order.carrier = carrier;
  return { volumes, application, order, carrier, failures };
}

/** Agree with a secondary that has much room. */
function connect({ order }: Bench, windowHigh = 1_000_000): void {
  order.step({ event: 'sessionEstablished', windowHigh, dataSetBytesMax: 64 * MiB, recordsMax: 65_536, held: [], destaged: null });
  order.step({ event: 'linkOpened', link: 1 });
  ready(order);
}

function ready(order: ReplicatedOrder): void {
  order.step({ event: 'linkReady', link: 1, budgetBytes: 1_000_000_000 });
}

function acknowledge({ order }: Bench, ranges: readonly SequenceRange[], windowHigh = 1_000_000): void {
  order.step({ event: 'acknowledged', link: 1, ranges, windowHigh });
}

/** Carry the records out as a secondary would, in the order of their numbers. */
function replay(records: readonly WireRecord[], volumes: readonly HeldVolume[]): Uint8Array[] {
  const images = new Map(volumes.map((volume) => [volume.entry.vlun, new Uint8Array(volume.entry.sizeBytes)]));
  for (const record of [...records].sort((a, b) => a.sequence - b.sequence)) {
    const image = images.get(record.vlun);
    if (record.type === 'write') image?.set(record.bytes.subarray(record.bytes.length - record.lengthBytes), record.lba * 512);
    else image?.fill(0, record.lba * 512, record.lba * 512 + record.lengthBytes);
  }
  return [...images.values()];
}

test('what is sent, carried out by its numbers, is what the volumes hold; no number is missing or given twice', () => {
  for (let seed = 1; seed <= 25; seed += 1) {
    const random = new Random(seed);
    const int = (below: number): number => Math.floor(random.next() * below);
    const it = bench({ maxSizeBytes: 256 * 1024 });
    for (const volume of it.volumes) volume.storesNow = () => random.next() < 0.5;
    if (seed % 2 === 0) connect(it);
    const requests: NotedRequest[] = [];
    for (let step = 0; step < 150; step += 1) {
      const volume = it.volumes[int(2)] as HeldVolume;
      if (random.next() < 0.4) {
        volume.end(int(Math.max(1, volume.underWay.length)));
        continue;
      }
      const blocks = 1 + int(12);
      const command = random.next() < 0.15 ? 'flush' : random.next() < 0.15 ? 'trim' : random.next() < 0.1 ? 'writeZeroes' : 'write';
      const place = command === 'flush' ? {} : { offset: int(60) * 512, lengthBytes: blocks * 512 };
      requests.push(new NotedRequest({ command, exportIndex: int(2), ...place, value: 1 + (step % 200), fua: random.next() < 0.1 }));
      it.application.submit([requests.at(-1) as NotedRequest]);
    }
    for (const volume of it.volumes) volume.endAll();
    assert.ok(
      requests.every((request) => request.answer === NBD_ERRNO.ok),
      `seed ${seed}: everything is answered`,
    );
    it.order.step({ event: 'cutRequested', reason: 'shutdown' });
    if (seed % 2 === 1) connect(it);
    ready(it.order);
    const { records } = it.carrier;
    const numbers = records.map((record) => record.sequence).sort((a, b) => a - b);
    assert.equal(
      numbers,
      numbers.map((_, index) => index),
      `seed ${seed}: every number once`,
    );
    const images = replay(records, it.volumes);
    for (const [index, volume] of it.volumes.entries())
      assert.ok(Buffer.compare(images[index] as Uint8Array, volume.bytes) === 0, `seed ${seed}: volume ${index}`);
  }
});

test('each sync command carries the chain over the header checksums of its data set, and the session', () => {
  const it = bench();
  connect(it);
  let chain = CHAIN_START;
  for (let dataSet = 0; dataSet < 4; dataSet += 1) {
    for (let write = 0; write <= dataSet; write += 1) it.application.submit([new NotedRequest({ offset: write * 512, value: dataSet })]);
    it.order.step({ event: 'cutRequested', reason: 'bookmark' });
    const own = it.carrier.records.filter((record) => record.dataSet === dataSet);
    const sync = own.at(-1);
    chain = hashChain(
      chain,
      Uint32Array.from(own.slice(0, -1), (record) => record.headerChecksum),
      SESSION,
    );
    assert.equal([sync?.sync?.chain, sync?.sync?.incarnation, sync?.sync?.reason], [chain, SESSION, 'bookmark']);
  }
  assert.is(it.order.chain, chain);
});

test('a data set is released when it is acknowledged with all before it', () => {
  const it = bench();
  connect(it);
  for (let dataSet = 0; dataSet < 3; dataSet += 1) {
    it.application.submit([new NotedRequest()]);
    it.order.step({ event: 'cutRequested', reason: 'bookmark' });
  }
  acknowledge(it, [{ from: 2, to: 3 }]);
  assert.equal([[...it.order.buffers.keys()], it.order.acknowledged], [[0, 1, 2], null]);
  acknowledge(it, [{ from: 0, to: 1 }]);
  assert.equal([[...it.order.buffers.keys()], it.order.acknowledged], [[2], it.order.chains[1]]);
});

test('a long outage: any number of data sets waits, each keeps its chain, and the handshake is told those around the acknowledged one', () => {
  const it = bench({ maxSizeBytes: 8192, backlogLimitBytes: 512 * MiB });
  const count = 3 * LIMITS.slotsMax;
  for (let dataSet = 0; dataSet < count; dataSet += 1) {
    it.application.submit([new NotedRequest({ lengthBytes: 4096 })]);
    it.order.step({ event: 'cutRequested', reason: 'bookmark' });
  }
  assert.equal([it.order.chainsTold.length, it.order.chainsTold[0]?.dataSet], [2 * LIMITS.slotsMax, 0]);
  connect(it);
  for (let dataSet = 0; dataSet < count; dataSet += 1) {
    acknowledge(it, [{ from: 2 * dataSet, to: 2 * dataSet + 1 }]);
    assert.is(it.order.acknowledged?.dataSet, dataSet);
    const told = it.order.chainsTold.map((point) => point.dataSet);
    assert.ok(
      told.includes(dataSet) && (dataSet + 1 === count || told.includes(dataSet + 1)) && told.length <= 2 * LIMITS.slotsMax,
      `told at ${dataSet}`,
    );
  }
  assert.ok(it.order.chains.length <= 2 * LIMITS.slotsMax, `${it.order.chains.length} chains are kept`);
});

test('a write larger than a data set goes in parts, each in one data set, and is answered after the last', () => {
  const it = bench({ volumeBytes: 16 * MiB, maxSizeBytes: 3 * MiB });
  connect(it);
  const data = Uint8Array.from({ length: 10 * MiB }, (_, index) => 1 + (Math.floor(index / 4096) % 250));
  const expected = Uint8Array.from(data);
  const volume = it.volumes[0] as HeldVolume;
  volume.storesNow = () => false;
  const request = new NotedRequest({ data, offset: MiB, fua: true });
  it.application.submit([request]);
  let parts = 0;
  for (; volume.underWay[0]?.kind === 'store'; parts += 1) {
    assert.is(request.answer, null);
    volume.end();
  }
  assert.ok(parts >= 4, `${parts} parts`);
  assert.equal([request.answer, volume.underWay.map(({ kind }) => kind)], [null, ['flush']]);
  volume.end();
  assert.is(request.answer, NBD_ERRNO.ok);
  it.order.step({ event: 'cutRequested', reason: 'shutdown' });
  ready(it.order);
  const [image] = replay(it.carrier.records, it.volumes);
  assert.ok(Buffer.compare((image as Uint8Array).subarray(MiB, 11 * MiB), expected) === 0, 'the copy has all of it');
  const sizes = new Map<number, number>();
  for (const record of it.carrier.records.filter(({ type }) => type !== 'sync'))
    sizes.set(record.dataSet, (sizes.get(record.dataSet) ?? 0) + record.encodedBytes);
  assert.ok(
    [...sizes.values()].every((bytes) => bytes <= 3 * MiB),
    'no data set is larger than it may be',
  );
});

test('FLUSH with flushReply remote is answered when the far side has everything; local at once', () => {
  for (const flushReply of ['local', 'remote'] as const) {
    const it = bench({ flushReply });
    connect(it);
    it.application.submit([new NotedRequest()]);
    const flush = new NotedRequest({ command: 'flush' });
    it.application.submit([flush]);
    assert.is(flush.answer, null, 'not before the volume is durable');
    it.volumes[0]?.end();
    assert.is(flush.answer, flushReply === 'local' ? NBD_ERRNO.ok : null);
    acknowledge(it, [{ from: 0, to: 0 }]);
    acknowledge(it, [{ from: 1, to: 1 }]);
    assert.is(flush.answer, NBD_ERRNO.ok);
  }
});

test('a failed store: EIO, nothing is numbered, cut or sent any more, and the group is told once', () => {
  const it = bench();
  connect(it);
  it.application.submit([new NotedRequest()]);
  const sent = it.carrier.records.length;
  const volume = it.volumes[0] as HeldVolume;
  volume.storesNow = () => false;
  const requests = [new NotedRequest({ offset: 512 }), new NotedRequest({ offset: 1024 })];
  it.application.submit(requests);
  volume.failure = new Error('EIO');
  volume.end();
  volume.endAll();
  it.order.step({ event: 'cutRequested', reason: 'shutdown' });
  ready(it.order);
  assert.equal(
    requests.map((request) => request.answer),
    [NBD_ERRNO.EIO, NBD_ERRNO.EIO],
  );
  assert.equal([it.failures, it.carrier.records.length, it.order.machine.head(0).sequence], [['ERR_VOLUME_FAILED'], sent, 0]);
});

test('a store that fails inside its call: every request of the batch is answered once, and nothing is numbered after it', () => {
  const it = bench();
  connect(it);
  it.application.submit([new NotedRequest({ offset: 4096 })]);
  const sent = it.carrier.records.length;
  const volume = it.volumes[0] as HeldVolume;
  volume.storesNow = (offset) => {
    volume.failure = offset === 512 ? new Error('EIO') : null;
    return true;
  };
  const requests = [0, 512, 1024].map((offset) => new NotedRequest({ offset }));
  it.application.submit([...requests, new NotedRequest({ command: 'flush' })]);
  volume.failure = null;
  volume.endAll();
  it.order.step({ event: 'cutRequested', reason: 'shutdown' });
  ready(it.order);
  assert.equal([it.failures, it.carrier.records.length, it.order.machine.head(0).sequence], [['ERR_VOLUME_FAILED'], sent, 0]);
  assert.equal(
    requests.map((request) => request.answer),
    [NBD_ERRNO.EIO, NBD_ERRNO.EIO, NBD_ERRNO.EIO],
  );
});

test('a store that fails inside its call while another is numbered in the same round: nothing is answered twice', () => {
  const it = bench({ maxSizeBytes: 64 * 1024, backlogLimitBytes: 64 * 1024, flushReply: 'remote' });
  connect(it);
  const volume = it.volumes[0] as HeldVolume;
  volume.storesNow = (offset) => {
    volume.failure = offset === 8192 ? new Error('EIO') : null;
    return true;
  };
  const failing = new NotedRequest({ offset: 8192 });
  const waiting = new NotedRequest({ lengthBytes: 4096 });
  const flush = new NotedRequest({ command: 'flush', onAnswer: () => it.application.submit([failing]) });
  // The backlog takes fifteen of these; the sixteenth waits for the acknowledgement that answers the FLUSH, too.
  it.application.submit(Array.from({ length: 15 }, () => new NotedRequest({ lengthBytes: 4096 })));
  it.application.submit([flush, waiting]);
  volume.endAll();
  const numbered = it.order.machine.head(0).sequence;
  assert.equal([numbered, flush.answer, waiting.answer, failing.answer], [15, null, null, null]);
  acknowledge(it, [{ from: 0, to: numbered }]);
  assert.equal([it.failures, it.order.machine.head(0).sequence], [['ERR_VOLUME_FAILED'], numbered + 1]);
  assert.equal([flush.answer, waiting.answer, failing.answer], [NBD_ERRNO.ok, NBD_ERRNO.EIO, NBD_ERRNO.EIO]);
});

test('damage in the send buffer fails the group instead of being sent again and again', () => {
  const it = bench();
  connect(it);
  it.carrier.holds = true;
  it.application.submit([new NotedRequest({ value: 1 })]);
  it.order.verifyBuffers();
  assert.equal(it.failures, []);
  const bytes = it.carrier.held[0]?.bytes ?? new Uint8Array(0);
  bytes[bytes.length - 1] = 0x55;
  it.order.verifyBuffers();
  assert.equal(it.failures, ['ERR_SEND_BUFFER_CORRUPT']);
});

test('detached in the middle: writes that waited for the backlog go on, and nothing is answered twice', () => {
  const it = bench({ maxSizeBytes: 64 * 1024, backlogLimitBytes: 64 * 1024 });
  const requests = Array.from(
    { length: 40 },
    (_, index) => new NotedRequest({ offset: (index % 8) * 4096, lengthBytes: 4096, value: index + 1, fua: index % 5 === 0 }),
  );
  it.application.submit(requests);
  const flush = new NotedRequest({ command: 'flush' });
  it.application.submit([flush]);
  assert.ok(
    requests.some((request) => request.answer === null),
    'the backlog is full',
  );
  it.order.end();
  new PlainOrder(it.application, () => {});
  for (const volume of it.volumes) volume.endAll();
  assert.ok(
    [...requests, flush].every((request) => request.answer === NBD_ERRNO.ok),
    'everything is answered',
  );
  // Of the writes to one place the last one won.
  for (let place = 0; place < 8; place += 1) assert.is(it.volumes[0]?.bytes[place * 4096], 33 + place);
});

test.run();
