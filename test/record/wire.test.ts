import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PrimaryFacts, SecondaryFacts } from '../../src/model/handshake.ts';
import type { PeeredFacts, PeerFacts } from '../../src/model/peer.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { decodeMessage, encodeMessage } from '../../src/record/wire.ts';
import type { ProgressMessage, WireMessage } from '../../src/record/wire.ts';
import { concatenate, encodeSync, encodeWrite, flip, forge, MESSAGES, violation, ZERO } from './samples.ts';

/** Like fc.record, but without objects that have no prototype: decoded messages are plain objects. */
const plain = <T>(fields: { [Name in keyof T]: fc.Arbitrary<T[Name]> }): fc.Arbitrary<T> => fc.record(fields, { noNullPrototype: true });
const id = fc.oneof(fc.maxSafeNat(), fc.nat(9), fc.constant(Number.MAX_SAFE_INTEGER), fc.constant(2 ** 32));
const nullableId = fc.option(id);
const linkKey = fc.nat(0xffff_ffff);
const hexDigits = (digits: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: digits / 2, maxLength: digits / 2 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const held = fc
  .uniqueArray(
    plain({ dataSet: id, firstSequence: fc.nat(), finalSequence: fc.constant(null), received: fc.uint8Array({ maxLength: 40 }) }).map(
      (set) => ({ ...set, durable: set.received.map((byte) => byte & 0x5a) }),
    ),
    { maxLength: 4, selector: (set) => set.dataSet },
  )
  .map((sets) => sets.toSorted((a, b) => a.dataSet - b.dataSet));
const heldFacts = held.chain((sets) => fc.tuple(...sets.map((set) => hexDigits(32).map((digest) => ({ ...set, digest })))));
const point = plain({ dataSet: id, finalSequence: id, chain: hexDigits(32) });
const points = fc
  .uniqueArray(point, { maxLength: 4, selector: ({ dataSet }) => dataSet })
  .map((list) => list.toSorted((a, b) => a.dataSet - b.dataSet));
const generations = fc
  .uniqueArray(
    plain({
      number: linkKey,
      id: hexDigits(16),
      afterDataSet: nullableId,
      afterSequence: nullableId,
      chain: hexDigits(32),
      firstDataSet: id,
      firstSequence: id,
    }),
    { maxLength: 3, selector: (generation) => generation.number },
  )
  .map((list) => list.toSorted((a, b) => a.number - b.number));
const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text));
const volumes = fc.array(plain({ vlun: fc.nat(0xffff_fffe), name: words, sizeBytes: id }), { maxLength: 3 });
/** The last time of which a date can be made. */
const timeMs = fc.oneof(fc.maxSafeNat(), fc.constant(8.64e15)).map((time) => Math.min(time, 8.64e15));
const head = plain({ dataSet: id, sequence: fc.oneof(id, fc.constant(-1)), bytes: id, timeMs });

const geometry = plain({
  slots: fc.integer({ min: 2, max: 256 }),
  slotBytes: fc.integer({ min: 65_536, max: 2 ** 30 }),
  capacityBytes: fc.integer({ min: 1, max: 2 ** 30 }),
  recordsMax: fc.integer({ min: 1, max: 65_536 }),
});

const secondaryFacts: fc.Arbitrary<SecondaryFacts> = plain({
  protocolVersion: fc.constant(1),
  role: fc.constant('secondary' as const),
  groupName: words,
  groupId: fc.option(hexDigits(32)),
  generations,
  stream: fc.option(hexDigits(16)),
  session: hexDigits(16),
  lastPrimarySession: fc.option(hexDigits(16)),
  hostEpoch: id,
  volumes,
  geometry,
  watermark: fc.option(point),
  complete: points,
  held: heldFacts,
});
const primaryFacts: fc.Arbitrary<PrimaryFacts> = plain({
  protocolVersion: fc.constant(1),
  role: fc.constant('primary' as const),
  state: fc.constantFrom('serving', 'stopping', 'failed', 'superseded', 'standalone'),
  groupName: words,
  groupId: hexDigits(32),
  generations,
  stream: hexDigits(16),
  session: hexDigits(16),
  sessionFirstSequence: id,
  hostEpoch: id,
  volumes,
  dataSetBytesMax: id,
  dataSetRecordsMax: id,
  chains: points,
  acknowledged: fc.option(point),
  unacknowledged: held.map((sets) =>
    sets.map(({ dataSet, firstSequence, received }) => ({ dataSet, firstSequence, finalSequence: null, acknowledged: received })),
  ),
  head,
});
const peerFacts: fc.Arbitrary<PeerFacts> = fc
  .tuple(
    id,
    id,
    plain({
      protocolVersion: fc.constant(1),
      role: fc.constant('peer' as const),
      groupName: words,
      groupId: fc.option(hexDigits(32)),
      stream: fc.option(hexDigits(16)),
      generation: fc.option(linkKey),
      session: hexDigits(16),
      regionId: hexDigits(32),
      hold: fc.constantFrom('memory', 'durable'),
      regionBytes: id,
      lostRegions: fc.array(hexDigits(32), { maxLength: 3 }),
      hostEpoch: id,
    }),
  )
  .map(([a, b, facts]) => ({ ...facts, tail: Math.min(a, b), head: Math.max(a, b) }));
const peeredFacts: fc.Arbitrary<PeeredFacts> = plain({
  protocolVersion: fc.constant(1),
  role: fc.constant('secondary' as const),
  groupName: words,
  groupId: hexDigits(32),
  generations,
  stream: hexDigits(16),
  session: hexDigits(16),
  hostEpoch: id,
  volumes,
  geometry,
});
const message: fc.Arbitrary<WireMessage> = fc.oneof(
  plain({ kind: fc.constant('held' as const), through: id, limitBytes: id }),
  plain({ kind: fc.constant('release' as const), through: id }),
  plain({ kind: fc.constant('peerHello' as const), facts: peerFacts }),
  plain({ kind: fc.constant('peerWelcome' as const), facts: peeredFacts }),
  plain({ kind: fc.constant('fetch' as const) }),
  plain({ kind: fc.constant('fetched' as const), records: id, unreadable: fc.option(words) }),
  plain({
    kind: fc.constant('acknowledge' as const),
    windowHigh: id,
    positions: plain({
      received: nullableId,
      durable: nullableId,
      complete: nullableId,
      destaged: nullableId,
      destagedSequence: nullableId,
    }),
    ranges: fc.array(
      fc.tuple(id, id).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
      { maxLength: 20 },
    ),
  }),
  plain({ kind: fc.constant('reject' as const), reason: fc.constantFrom('window', 'checksum'), dataSet: id, sequence: id, windowHigh: id }),
  plain({ kind: fc.constant('head' as const), head }),
  plain({ kind: fc.constant('requestProgress' as const), closedLinks: fc.array(linkKey, { maxLength: 20 }) }),
  plain({
    kind: fc.constant('progress' as const),
    closedLinks: fc.array(linkKey, { maxLength: 5 }),
    destaged: nullableId,
    windowHigh: id,
    held,
  }),
  plain({
    kind: fc.constant('records' as const),
    encoded: fc
      .array(fc.constantFrom(encodeWrite(ZERO), encodeSync()), { minLength: 1, maxLength: 4 })
      .map((records) => concatenate(...records)),
  }),
  plain({ kind: fc.constant('hello' as const), linkKey, facts: secondaryFacts }),
  plain({ kind: fc.constant('welcome' as const), facts: primaryFacts }),
  plain({ kind: fc.constant('superseded' as const), groupId: hexDigits(32), generations, hostEpoch: id, promotedAtMs: timeMs }),
  plain({ kind: fc.constant('refuse' as const), outcome: fc.constantFrom('refuse', 'wait'), label: words, sentence: words }),
);

test('every message comes back as it was', () => {
  fc.assert(
    fc.property(message, (value) => assert.equal(decodeMessage(encodeMessage(value)), value)),
    { numRuns: 900 },
  );
});

test('a message with any one bit flipped is never a message', () => {
  for (const [name, value] of Object.entries(MESSAGES)) {
    const bytes = encodeMessage(value).slice(0);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      if (value.kind === 'records' && bit >= 8) break; // Records have checksums of their own, tested with decodeRecords.
      flip(bytes, bit);
      assert.is(decodeMessage(bytes).kind, 'violation', `${name} bit ${bit}`);
      flip(bytes, bit);
    }
  }
});

test('a message cut off anywhere, or with a byte too many, is never a message', () => {
  for (const [name, value] of Object.entries(MESSAGES)) {
    const bytes = encodeMessage(value);
    for (let length = 0; length < bytes.length; length += 1) {
      // Where a record ends, the record says: decodeRecords looks.
      if (value.kind === 'records' && length >= 80 && length % 8 === 0) continue;
      assert.is(decodeMessage(bytes.slice(0, length)).kind, 'violation', `${name} cut at ${length}`);
      // The same under a right checksum: the lengths inside must agree with the bytes. JSON shows its end itself.
      if (length >= 8 && value.kind !== 'records')
        assert.is(decodeMessage(forge(bytes.slice(0, length), () => undefined)).kind, 'violation', `${name} forged at ${length}`);
    }
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    assert.is(decodeMessage(longer).kind, 'violation', `${name} longer`);
    if (value.kind !== 'records') assert.is(decodeMessage(forge(longer, () => undefined)).kind, 'violation', `${name} longer, forged`);
  }
});

test('random bytes, also under a right checksum, never throw', () => {
  const kind = fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 255);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), kind, fc.boolean(), (random, first, sealed) => {
      decodeMessage(random);
      if (!sealed || random.length < 8) return;
      const forged = forge(random, (view) => {
        view.setUint8(0, first);
        view.setUint8(1, 1);
        view.setUint16(2, 0);
      });
      decodeMessage(forged);
    }),
    { numRuns: 3000 },
  );
});

test('claimed counts are checked against their limits and the bytes present', () => {
  const ack = encodeMessage(MESSAGES.acknowledge);
  assert.match(
    violation(forge(ack, (view) => view.setUint32(56, 0xffff_ffff, true))),
    /^count: ranges: expected at most 4096, found 4294967295/,
  );
  assert.match(violation(forge(ack, (view) => view.setUint32(56, 4096, true))), /^message-length: expected 65600 bytes, found 96/);
  assert.match(violation(forge(ack, (view) => view.setUint32(56, 1, true))), /^message-length: expected 80 bytes, found 96/);
  const progress = encodeMessage(MESSAGES.progress);
  assert.match(violation(forge(progress, (view) => view.setUint32(24, 1025, true))), /^count: closedLinks/);
  assert.match(violation(forge(progress, (view) => view.setUint32(24, 1024, true))), /^message-length/);
  assert.match(violation(forge(progress, (view) => view.setUint32(28, 257, true))), /^count: held/);
  assert.match(violation(forge(progress, (view) => view.setUint32(28, 3, true))), /^message-length/);
  assert.match(violation(forge(progress, (view) => view.setUint32(36 + 24, 8193, true))), /^count: bitmapBytes/);
  assert.match(violation(forge(progress, (view) => view.setUint32(36 + 24, 8192, true))), /^message-length/);
  assert.match(violation(new Uint8Array(LIMITS.messageBytesMax + 1)), /^message-length: expected at most/);
});

test('binary fields out of their range are violations', () => {
  const ack = encodeMessage(MESSAGES.acknowledge);
  assert.match(
    violation(forge(ack, (view) => view.setUint32(12, 0x20_0000, true))),
    /^identifier: windowHigh: .* found 0x0020000000000015/,
  );
  assert.match(
    violation(forge(ack, (view) => view.setBigUint64(8, 2n ** 64n - 1n, true))),
    /^identifier: windowHigh/,
    'the window is never null',
  );
  assert.match(violation(forge(ack, (view) => view.setUint32(20, 0xffff_ffff, true))), /^identifier: received/);
  assert.match(violation(forge(ack, (view) => view.setUint8(61, 1))), /^reserved: byte 61/);
  assert.match(violation(forge(ack, (view) => view.setUint32(64, 1003, true))), /^range: range 0 is 1003..1002/);
  const reject = encodeMessage(MESSAGES.reject);
  assert.match(violation(forge(reject, (view) => view.setUint8(8, 3))), /^reject-reason: found 3/);
  assert.match(violation(forge(reject, (view) => view.setUint8(15, 1))), /^reserved/);
  for (const at of [12, 20])
    assert.match(
      violation(forge(encodeMessage(MESSAGES.held), (view) => view.setUint32(at, 0x20_0000, true))),
      at === 12 ? /^identifier: through/ : /^identifier: limitBytes/,
    );
  assert.match(
    violation(forge(encodeMessage(MESSAGES.release), (view) => view.setBigUint64(8, 2n ** 64n - 1n, true))),
    /^identifier: through/,
  );
  const progress = encodeMessage(MESSAGES.progress);
  assert.match(violation(forge(progress, (view) => view.setUint8(36 + 32 + 1, 0x1f))), /^bitmap: durable is not a subset/);
  assert.match(violation(forge(progress, (view) => view.setUint8(36 + 32, 0x1f))), /^bitmap: received goes beyond finalSequence 1003/);
  assert.match(violation(forge(progress, (view) => view.setUint32(36 + 16, 999, true))), /^bitmap: finalSequence 999 is below/);
  assert.match(violation(forge(progress, (view) => view.setUint8(36 + 34, 7))), /^bitmap: data set 7 follows 7/);
});

test('the envelope is checked; a refusal is understood whatever its version', () => {
  for (const [name, value] of Object.entries(MESSAGES)) {
    if (value.kind === 'records') continue;
    const bytes = encodeMessage(value);
    const later = decodeMessage(forge(bytes, (view) => view.setUint8(1, 2)));
    if (value.kind === 'refuse') assert.equal(later, value);
    else assert.match(later.kind === 'violation' ? later.violation : name, /^protocol-version: expected 1, found 2/);
    assert.match(violation(forge(bytes, (view) => view.setUint8(0, 99))), /^message-kind: found 99/);
    assert.match(violation(forge(bytes, (view) => view.setUint8(3, 1))), /^reserved/);
  }
});

test('the largest geometry fits into one message', () => {
  const full = new Uint8Array(LIMITS.dataSetRecordsMax / 8).fill(0xff);
  const sets = Array.from({ length: LIMITS.slotsMax }, (_, dataSet) => ({
    dataSet,
    firstSequence: 0,
    finalSequence: null,
    received: full,
    durable: full,
    digest: 'd'.repeat(32),
  }));
  const sample = MESSAGES.hello;
  const complete = Array.from({ length: LIMITS.slotsMax }, (_, dataSet) => ({ dataSet, finalSequence: 2 ** 50, chain: 'a'.repeat(32) }));
  const facts = { ...sample.facts, held: sets, complete };
  assert.is(decodeMessage(encodeMessage({ ...sample, facts })).kind, 'hello');
  const progress: ProgressMessage = {
    kind: 'progress',
    closedLinks: Array.from({ length: LIMITS.closedLinksMax }, () => 1),
    destaged: null,
    windowHigh: 0,
    held: sets.map(({ dataSet, firstSequence, finalSequence, received, durable }) => ({
      dataSet,
      firstSequence,
      finalSequence,
      received,
      durable,
    })),
  };
  assert.is(decodeMessage(encodeMessage(progress)).kind, 'progress');
  const welcome = MESSAGES.welcome;
  const unacknowledged = sets.map(({ dataSet }) => ({ dataSet, firstSequence: 0, finalSequence: null, acknowledged: full }));
  assert.is(decodeMessage(encodeMessage({ ...welcome, facts: { ...welcome.facts, unacknowledged } })).kind, 'welcome');
});

test.run();
