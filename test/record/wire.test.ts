import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 } from 'node:zlib';
import type { PrimaryFacts, SecondaryFacts } from '../../src/model/handshake.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { decodeMessage, encodeMessage } from '../../src/record/wire.ts';
import type { HelloMessage, ProgressMessage, WelcomeMessage, WireMessage } from '../../src/record/wire.ts';
import { MESSAGES } from './samples.ts';

/** Like fc.record, but without objects that have no prototype: decoded messages are plain objects. */
const record = <T>(fields: { [Name in keyof T]: fc.Arbitrary<T[Name]> }): fc.Arbitrary<T> => fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>;
const id = fc.oneof(fc.maxSafeNat(), fc.nat(9), fc.constant(Number.MAX_SAFE_INTEGER), fc.constant(2 ** 32));
const nullableId = fc.option(id);
const linkKey = fc.nat(0xffff_ffff);
const hexDigits = (digits: number): fc.Arbitrary<string> => fc.uint8Array({ minLength: digits / 2, maxLength: digits / 2 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const held = fc.uniqueArray(
  record({ dataSet: id, firstSequence: fc.nat(), finalSequence: fc.constant(null), received: fc.uint8Array({ maxLength: 40 }) }).map((set) => ({ ...set, durable: set.received.map((byte) => byte & 0x5a) })),
  { maxLength: 4, selector: (set) => set.dataSet },
).map((sets) => sets.toSorted((a, b) => a.dataSet - b.dataSet));
const points = fc.uniqueArray(record({ dataSet: id, finalSequence: id, chain: hexDigits(32) }), { maxLength: 4, selector: (point) => point.dataSet }).map((list) => list.toSorted((a, b) => a.dataSet - b.dataSet));
const generations = fc.uniqueArray(
  record({ number: linkKey, id: hexDigits(16), afterDataSet: nullableId, afterSequence: nullableId, chain: hexDigits(32), firstDataSet: id, firstSequence: id }),
  { maxLength: 3, selector: (generation) => generation.number },
).map((list) => list.toSorted((a, b) => a.number - b.number));
const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text));
const volumes = fc.array(record({ vlun: fc.nat(0xffff_fffe), name: words, sizeBytes: id }), { maxLength: 3 });
const head = record({ dataSet: id, sequence: fc.oneof(id, fc.constant(-1)), bytes: id, timeMs: id });

const secondaryFacts: fc.Arbitrary<SecondaryFacts> = record({
  protocolVersion: fc.constant(1), role: fc.constant('secondary' as const), groupName: words, groupId: fc.option(hexDigits(32)), generations,
  stream: fc.option(hexDigits(16)), session: hexDigits(16), lastPrimarySession: fc.option(hexDigits(16)), hostEpoch: id, volumes,
  geometry: record({ slots: fc.integer({ min: 2, max: 256 }), slotBytes: fc.integer({ min: 65_536, max: 2 ** 30 }), capacityBytes: fc.integer({ min: 1, max: 2 ** 30 }), recordsMax: fc.integer({ min: 1, max: 65_536 }) }),
  watermark: fc.option(points.filter((list) => list.length > 0).map((list) => list[0]!)), complete: points, held,
});
const primaryFacts: fc.Arbitrary<PrimaryFacts> = record({
  protocolVersion: fc.constant(1), role: fc.constant('primary' as const), state: fc.constantFrom('serving', 'stopping', 'failed', 'superseded', 'standalone'),
  groupName: words, groupId: hexDigits(32), generations, stream: hexDigits(16), session: hexDigits(16), sessionFirstSequence: id, hostEpoch: id, volumes,
  dataSetBytesMax: id, dataSetRecordsMax: id, chains: points, acknowledged: fc.option(points.filter((list) => list.length > 0).map((list) => list[0]!)),
  unacknowledged: held.map((sets) => sets.map(({ dataSet, firstSequence, received }) => ({ dataSet, firstSequence, finalSequence: null, acknowledged: received }))),
  head,
});
const message: fc.Arbitrary<WireMessage> = fc.oneof(
  record({
    kind: fc.constant('acknowledge' as const), windowHigh: id,
    positions: record({ received: nullableId, durable: nullableId, complete: nullableId, destaged: nullableId, destagedSequence: nullableId }),
    ranges: fc.array(fc.tuple(id, id).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })), { maxLength: 20 }),
  }),
  record({ kind: fc.constant('reject' as const), reason: fc.constantFrom('window', 'checksum'), dataSet: id, sequence: id, windowHigh: id }),
  record({ kind: fc.constant('head' as const), head }),
  record({ kind: fc.constant('requestProgress' as const), closedLinks: fc.array(linkKey, { maxLength: 20 }) }),
  record({ kind: fc.constant('progress' as const), closedLinks: fc.array(linkKey, { maxLength: 5 }), destaged: nullableId, windowHigh: id, held }),
  record({ kind: fc.constant('records' as const), encoded: fc.uint8Array({ maxLength: 100 }) }),
  record({ kind: fc.constant('hello' as const), linkKey, facts: secondaryFacts }),
  record({ kind: fc.constant('welcome' as const), facts: primaryFacts }),
  record({ kind: fc.constant('superseded' as const), groupId: hexDigits(32), generations, promotedAtMs: id }),
  record({ kind: fc.constant('refuse' as const), outcome: fc.constantFrom('refuse', 'wait'), label: words, sentence: words }),
);

/** A message with another body under a right checksum. */
function forge(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const forged = bytes.slice();
  const view = new DataView(forged.buffer);
  change(view);
  view.setUint32(4, crc32(forged.subarray(8), crc32(forged.subarray(0, 4))), true);
  return forged;
}

function forgeJson(kind: string, change: (body: never) => unknown): Uint8Array {
  const bytes = encodeMessage(MESSAGES[kind]!);
  const body = JSON.parse(Buffer.from(bytes.subarray(8)).toString()) as object;
  const changed = change(body as never) ?? body;
  const encoded = typeof changed === 'string' ? Buffer.from(changed, 'latin1') : Buffer.from(JSON.stringify(changed));
  return forge(new Uint8Array(Buffer.concat([bytes.subarray(0, 8), encoded])), () => undefined);
}

function violation(bytes: Uint8Array): string {
  const found = decodeMessage(bytes);
  return found.kind === 'violation' ? found.violation : `decoded as ${found.kind}`;
}

test('every message comes back as it was', () => {
  fc.assert(fc.property(message, (value) => assert.equal(decodeMessage(encodeMessage(value)), value)), { numRuns: 600 });
});

test('a message with any one bit flipped is never a message', () => {
  for (const [name, value] of Object.entries(MESSAGES)) {
    const bytes = encodeMessage(value).slice(0);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      if (value.kind === 'records' && bit >= 64) break; // Records have checksums of their own, tested with decodeRecords.
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.is(decodeMessage(bytes).kind, 'violation', `${name} bit ${bit}`);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
});

test('a message cut off anywhere, or with a byte too many, is never a message', () => {
  for (const [name, value] of Object.entries(MESSAGES)) {
    const bytes = encodeMessage(value);
    for (let length = 0; length < bytes.length; length += 1) {
      assert.is(decodeMessage(bytes.slice(0, length)).kind, 'violation', `${name} cut at ${length}`);
      // The same under a right checksum: the lengths inside must agree with the bytes. JSON shows its end itself.
      if (length >= 8 && value.kind !== 'records') assert.is(decodeMessage(forge(bytes.slice(0, length), () => undefined)).kind, 'violation', `${name} forged at ${length}`);
    }
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    assert.is(decodeMessage(longer).kind, 'violation', `${name} longer`);
    if (value.kind !== 'records') assert.is(decodeMessage(forge(longer, () => undefined)).kind, 'violation', `${name} longer, forged`);
  }
});

test('random bytes, also under a right checksum, never throw', () => {
  const kind = fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 255);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), kind, fc.boolean(), (random, first, sealed) => {
      if (!sealed || random.length < 8) return void decodeMessage(random);
      const forged = forge(random, (view) => { view.setUint8(0, first); view.setUint8(1, 1); view.setUint16(2, 0); });
      decodeMessage(forged);
    }),
    { numRuns: 3000 },
  );
});

test('random JSON never throws and is never a handshake message', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom('hello', 'welcome', 'refuse', 'superseded', 'superseded-acknowledged'), (text, kind) => {
      assert.match(violation(forgeJson(kind, () => text)), /^(field|json): /);
    }),
    { numRuns: 500 },
  );
});

test('claimed counts are checked against their limits and the bytes present', () => {
  const ack = encodeMessage(MESSAGES['acknowledge']!);
  assert.match(violation(forge(ack, (view) => view.setUint32(56, 0xffff_ffff, true))), /^count: ranges: expected at most 4096, found 4294967295/);
  assert.match(violation(forge(ack, (view) => view.setUint32(56, 4096, true))), /^message-length: expected 65600 bytes, found 96/);
  assert.match(violation(forge(ack, (view) => view.setUint32(56, 1, true))), /^message-length: expected 80 bytes, found 96/);
  const progress = encodeMessage(MESSAGES['progress']!);
  assert.match(violation(forge(progress, (view) => view.setUint32(24, 1025, true))), /^count: closedLinks/);
  assert.match(violation(forge(progress, (view) => view.setUint32(24, 1024, true))), /^message-length/);
  assert.match(violation(forge(progress, (view) => view.setUint32(28, 257, true))), /^count: held/);
  assert.match(violation(forge(progress, (view) => view.setUint32(28, 3, true))), /^message-length/);
  assert.match(violation(forge(progress, (view) => view.setUint32(36 + 24, 8193, true))), /^count: bitmapBytes/);
  assert.match(violation(forge(progress, (view) => view.setUint32(36 + 24, 8192, true))), /^message-length/);
  assert.match(violation(new Uint8Array(LIMITS.messageBytesMax + 1)), /^message-length: expected at most/);
});

test('binary fields out of their range are violations', () => {
  const ack = encodeMessage(MESSAGES['acknowledge']!);
  assert.match(violation(forge(ack, (view) => view.setUint32(12, 0x20_0000, true))), /^identifier: windowHigh: .* found 0x0020000000000015/);
  assert.match(violation(forge(ack, (view) => view.setBigUint64(8, 2n ** 64n - 1n, true))), /^identifier: windowHigh/, 'the window is never null');
  assert.match(violation(forge(ack, (view) => view.setUint32(20, 0xffff_ffff, true))), /^identifier: received/);
  assert.match(violation(forge(ack, (view) => view.setUint8(61, 1))), /^reserved: byte 61/);
  assert.match(violation(forge(ack, (view) => view.setUint32(64, 1003, true))), /^range: range 0 is 1003..1002/);
  const reject = encodeMessage(MESSAGES['reject']!);
  assert.match(violation(forge(reject, (view) => view.setUint8(8, 3))), /^reject-reason: found 3/);
  assert.match(violation(forge(reject, (view) => view.setUint8(15, 1))), /^reserved/);
  const progress = encodeMessage(MESSAGES['progress']!);
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

test('every field of every handshake message is required, no other is allowed, and a wrong type is named with its path', () => {
  for (const name of ['hello', 'welcome', 'refuse', 'superseded', 'superseded-acknowledged']) {
    const original = JSON.parse(Buffer.from(encodeMessage(MESSAGES[name]!).subarray(8)).toString()) as unknown;
    let fields = 0;
    walk(original, [], (path) => {
      fields += 1;
      const last = path.at(-1) ?? '';
      for (const wrong of [undefined, true, 'x\ny', { a: 1 }, -2, 0.5]) {
        const found = violation(forgeJson(name, () => edit(original, path, wrong)));
        assert.match(found, /^field: /, `${path.join('.')} = ${String(wrong)}: ${found}`);
        assert.ok(found.includes(last), `${found} names ${last}`);
      }
      assert.match(violation(forgeJson(name, () => edit(original, [...path.slice(0, -1), 'surplus'], 1))), /^field: .*unknown field "surplus"/);
    });
    assert.ok(fields > 0);
  }
});

/** Call for the path of every field of every object in a JSON value; of a list, only the first entry. */
function walk(value: unknown, path: readonly string[], visit: (path: readonly string[]) => void): void {
  if (Array.isArray(value)) return value.length === 0 ? undefined : walk(value[0], [...path, '0'], visit);
  if (typeof value !== 'object' || value === null) return;
  for (const [name, entry] of Object.entries(value)) {
    visit([...path, name]);
    walk(entry, [...path, name], visit);
  }
}

/** Copy of a JSON value with one field set, or removed when the new value is undefined. */
function edit(value: unknown, path: readonly string[], to: unknown): unknown {
  const copy = structuredClone(value) as Record<string, unknown>;
  let holder = copy;
  for (const name of path.slice(0, -1)) holder = holder[name] as Record<string, unknown>;
  holder[path.at(-1)!] = to;
  return copy;
}

test('values just outside their range are refused, those just inside are not', () => {
  const hello = (change: (facts: Record<string, unknown>) => void): string => violation(forgeJson('hello', (body: { facts: Record<string, unknown> }) => { change(body.facts); }));
  const point = { dataSet: 1, finalSequence: 1, chain: '0'.repeat(32) };
  assert.match(hello((facts) => { facts['hostEpoch'] = 2 ** 53; }), /hello.facts.hostEpoch: expected an integer from 0 to 9007199254740991, found 9007199254740992/);
  assert.match(hello((facts) => { facts['groupId'] = 'A'.repeat(32); }), /groupId: expected 32 lower-case hex digits/);
  assert.match(hello((facts) => { facts['complete'] = [point, point]; }), /complete\[1\].dataSet: expected more than 1, found 1/);
  assert.match(hello((facts) => { facts['complete'] = Array.from({ length: 257 }, (_, dataSet) => ({ ...point, dataSet })); }), /complete: expected at most 256 entries, found 257/);
  assert.match(hello((facts) => { facts['complete'] = Array.from({ length: 256 }, (_, dataSet) => ({ ...point, dataSet })); }), /decoded as hello/);
  assert.match(hello((facts) => { facts['groupName'] = 'x'.repeat(256); }), /groupName: expected text of 1 to 255 bytes/);
  assert.match(hello((facts) => { facts['groupName'] = ''; }), /groupName/);
  assert.match(hello((facts) => { facts['role'] = 'primary'; }), /role: expected secondary, found "primary"/);
  const heldWith = (fields: object) => (facts: Record<string, unknown>): void => { facts['held'] = [{ dataSet: 1, firstSequence: 5, finalSequence: null, received: 'DQ==', durable: 'BQ==', ...fields }]; };
  assert.match(hello(heldWith({})), /decoded as hello/);
  assert.match(hello(heldWith({ durable: 'Dw==' })), /held\[0\]: durable is not a subset of received/);
  assert.match(hello(heldWith({ durable: '' })), /held\[0\]: received has 1 bytes, durable 0/);
  assert.match(hello(heldWith({ received: 'DR==' })), /received: expected base64/, 'bits that belong to no byte');
  assert.match(hello(heldWith({ received: 'DQ' })), /received: expected base64/);
  assert.match(hello(heldWith({ received: 'A'.repeat(10_928) })), /received: expected base64 of at most 8192 bytes/);
});

test('a refusal reaches the peer although its words hold line breaks or are too long', () => {
  const sentence = `first\nsecond ${'ü'.repeat(3000)}`;
  const found = decodeMessage(encodeMessage({ kind: 'refuse', outcome: 'wait', label: '', sentence }));
  assert.is(found.kind, 'refuse');
  if (found.kind !== 'refuse') return;
  assert.is(found.label, '-');
  assert.ok(found.sentence.startsWith('first second üü') && found.sentence.endsWith('ü'));
  assert.ok(Buffer.byteLength(found.sentence) <= LIMITS.sentenceBytesMax);
});

test('bodies that are not UTF-8 or not JSON are violations', () => {
  assert.match(violation(forgeJson('ready', () => '\xff')), /^json: /);
  assert.match(violation(forgeJson('ready', () => '')), /^json: /);
  assert.match(violation(forgeJson('ready', () => '['.repeat(100_000))), /^json: /);
  assert.match(violation(forgeJson('ready', () => '{"__proto__":{}}')), /^field: ready: unknown field "__proto__"/);
  assert.match(violation(forgeJson('ready', () => '[]')), /^field: ready: expected an object, found a list of 0/);
  assert.match(violation(forgeJson('ready', () => '\xef\xbb\xbf{}')), /^json: /, 'a byte order mark is not skipped');
});

test('the largest geometry fits into one message', () => {
  const full = new Uint8Array(LIMITS.dataSetRecordsMax / 8).fill(0xff);
  const sets = Array.from({ length: LIMITS.slotsMax }, (_, dataSet) => ({ dataSet, firstSequence: 0, finalSequence: null, received: full, durable: full }));
  const hello = MESSAGES['hello'] as HelloMessage;
  const complete = Array.from({ length: LIMITS.slotsMax }, (_, dataSet) => ({ dataSet, finalSequence: 2 ** 50, chain: 'a'.repeat(32) }));
  const facts = { ...hello.facts, held: sets, complete };
  assert.is(decodeMessage(encodeMessage({ ...hello, facts })).kind, 'hello');
  const progress: ProgressMessage = { kind: 'progress', closedLinks: Array.from({ length: LIMITS.closedLinksMax }, () => 1), destaged: null, windowHigh: 0, held: sets };
  assert.is(decodeMessage(encodeMessage(progress)).kind, 'progress');
  const welcome = MESSAGES['welcome'] as WelcomeMessage;
  const unacknowledged = sets.map(({ dataSet }) => ({ dataSet, firstSequence: 0, finalSequence: null, acknowledged: full }));
  assert.is(decodeMessage(encodeMessage({ ...welcome, facts: { ...welcome.facts, unacknowledged } })).kind, 'welcome');
});

test('only the fields of the protocol are sent', () => {
  const hello = MESSAGES['hello'] as HelloMessage;
  const facts = { ...hello.facts, secret: 'x' };
  assert.equal(decodeMessage(encodeMessage({ ...hello, facts })), hello);
});

test.run();
