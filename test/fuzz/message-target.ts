/** Messages of a link, both directions, as bytes into the real decoders. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { HeldDataSet } from '../../src/model/handshake.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { MESSAGE_KIND } from '../../src/record/layout.ts';
import { VIOLATIONS, type Violation } from '../../src/record/violation.ts';
import { decodeMessage, decodeRecords, encodeMessage, isRecordsMessage, type WireMessage } from '../../src/record/wire.ts';
import { encodePad, encodeWrite, MESSAGES, STREAM, WRITE } from '../record/samples.ts';
import { fixMessage } from './checksums.ts';
import { anyHex, anyId, anyRecord, mustReencodeWire } from './record-inputs.ts';
import { must, type Input, type Target } from './target.ts';

const FIRST_JSON_KIND = 16;
const VIOLATION_BYTES_MAX = 1024;

const samples = (Object.values(MESSAGES) as WireMessage[]).map((message) => encodeMessage(message));
const otherStream = encodeWrite(WRITE, undefined, { ...STREAM, generation: STREAM.generation + 1 });
const badPayload = encodeWrite(WRITE);
badPayload[200] = 0x5a;

/** Found: bodies that a violation quoted with their control characters, into the log of the host that refused them. */
const unprintable = ['\nV', '{"linkKey":"\x7f\x1b"}'].map((body) => {
  const bytes = Buffer.concat([Buffer.from([FIRST_JSON_KIND, 1, 0, 0, 0, 0, 0, 0]), Buffer.from(body)]);
  fixMessage(bytes);
  return new Uint8Array(bytes);
});

/** Durable, but never received. */
const impossible = encodeMessage(MESSAGES.progress);
impossible[impossible.length - 2] = 0xff;
fixMessage(impossible);

const ranges = fc.array(
  fc.tuple(anyId, anyId).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
  { maxLength: 8 },
);
const id = fc.option(anyId);

/** A right message of the binary kinds, and of records in any order. */
const generated: fc.Arbitrary<WireMessage> = fc.oneof(
  fc.tuple(anyId, id, id, ranges).map(([windowHigh, destaged, received, list]): WireMessage => ({
    kind: 'acknowledge',
    windowHigh,
    positions: { received, durable: received, complete: destaged, destaged, destagedSequence: destaged },
    ranges: list,
  })),
  fc
    .tuple(anyId, anyId, anyId)
    .map(([dataSet, sequence, windowHigh]): WireMessage => ({ kind: 'reject', reason: 'window', dataSet, sequence, windowHigh })),
  fc
    .tuple(anyId, anyId, anyId)
    .map(([dataSet, bytes, timeMs]): WireMessage => ({ kind: 'head', head: { dataSet, sequence: bytes, bytes, timeMs } })),
  fc.tuple(anyId, anyId).map(([through, limitBytes]): WireMessage => ({ kind: 'held', through, limitBytes })),
  anyId.map((through): WireMessage => ({ kind: 'release', through })),
  fc.array(fc.nat(), { maxLength: 20 }).map((closedLinks): WireMessage => ({ kind: 'requestProgress', closedLinks })),
  fc.tuple(anyId, fc.uniqueArray(fc.nat(1000), { maxLength: 5 })).map(([windowHigh, sets]): WireMessage => ({
    kind: 'progress',
    closedLinks: [],
    destaged: null,
    windowHigh,
    held: sets
      .sort((a, b) => a - b)
      .map((dataSet) => ({
        dataSet,
        firstSequence: dataSet,
        finalSequence: null,
        received: Uint8Array.of(255, dataSet & 255),
        durable: Uint8Array.of(dataSet & 255, 0),
      })),
  })),
  fc
    .tuple(anyHex(32), anyId)
    .map(([groupId, promotedAtMs]): WireMessage => ({ kind: 'superseded', groupId, generations: [], hostEpoch: 0, promotedAtMs })),
  fc.array(anyRecord(STREAM), { maxLength: 5 }).map((records): WireMessage => ({ kind: 'records', encoded: Buffer.concat(records) })),
);

/** Any JSON where a handshake's body should be. */
const generatedJson = fc.tuple(fc.integer({ min: FIRST_JSON_KIND, max: 21 }), fc.json({ maxDepth: 4 })).map(([kind, text]) => {
  const bytes = Buffer.concat([Buffer.from([kind, 1, 0, 0, 0, 0, 0, 0]), Buffer.from(text)]);
  fixMessage(bytes);
  return new Uint8Array(bytes);
});

/** What may stand where another value should. */
const anyValue = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    [],
    {},
    '',
    -1,
    0,
    -0,
    0.5,
    1e300,
    2 ** 53,
    2 ** 32,
    'AA==',
    'f'.repeat(32),
    'f'.repeat(16),
    'x'.repeat(5000),
    true,
  ),
  fc.json({ maxDepth: 1 }).map((text): unknown => JSON.parse(text)),
);
const jsonSamples = samples.filter((sample) => (sample[0] ?? 0) >= FIRST_JSON_KIND && sample[0] !== MESSAGE_KIND.records);

/** A right body of which a few places were changed: another value, a field more or less, a list's entry twice or moved. */
const editedJson = fc
  .tuple(
    fc.constantFrom(...jsonSamples),
    fc.array(fc.tuple(fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), fc.nat(4), anyValue), { minLength: 1, maxLength: 2 }),
  )
  .map(([sample, edits]) => {
    const body = JSON.parse(Buffer.from(sample.subarray(8)).toString('utf8')) as object;
    for (const [steps, kind, value] of edits) editJson(body, { steps, kind, value: structuredClone(value) });
    const bytes = Buffer.concat([sample.subarray(0, 8), Buffer.from(JSON.stringify(body))]);
    fixMessage(bytes);
    return new Uint8Array(bytes);
  });

function editJson(body: object, { steps, kind, value }: { steps: readonly number[]; kind: number; value: unknown }): void {
  let node = body as Record<string, unknown>;
  for (const [depth, step] of steps.entries()) {
    const keys = Object.keys(node);
    const key = keys[step % Math.max(1, keys.length)];
    if (key === undefined) return;
    const inner = node[key];
    if (typeof inner !== 'object' || inner === null || depth === steps.length - 1) return editField(node, key, kind, value);
    if (Array.isArray(inner) && kind < 2) return void inner.splice(kind === 0 ? 0 : inner.length, 0, ...(inner as unknown[]));
    node = inner as Record<string, unknown>;
  }
}

function editField(node: Record<string, unknown>, key: string, kind: number, value: unknown): void {
  if (kind === 2) delete node[key];
  else if (kind === 3) node['nothing'] = value;
  else node[key] = value;
}

export const messageTarget: Target = {
  name: 'message',
  property: 'a message is a value that encodes to the same bytes, or a violation of PROTOCOL.md in a short printable text',
  golden: [
    ...samples.map((sample) => [sample]),
    [encodeMessage({ kind: 'records', encoded: otherStream })],
    [encodeMessage({ kind: 'records', encoded: Buffer.concat([badPayload, encodeWrite(WRITE)]) })],
    [encodeMessage({ kind: 'records', encoded: encodePad(88) })],
    ...unprintable.map((bytes) => [bytes]),
    [impossible],
  ],
  generator: fc.oneof(
    { weight: 2, arbitrary: generated.map((message) => [encodeMessage(message)]) },
    generatedJson.map((bytes) => [bytes]),
    { weight: 2, arbitrary: editedJson.map((bytes) => [bytes]) },
  ),
  fix: (part) => fixMessage(part),
  testInputs: 12_000,
  mustReach: [
    ...Object.keys(VIOLATIONS),
    'records',
    'damaged',
    'acknowledge',
    'reject',
    'head',
    'requestProgress',
    'progress',
    'hello',
    'welcome',
    'ready',
    'refuse',
    'superseded',
    'held',
    'release',
    'peerHello',
    'peerWelcome',
    'fetch',
    'fetched',
  ],
  run: ([bytes = new Uint8Array(0)]: Input): string => {
    const message = decodeMessage(bytes);
    if (message.kind === 'violation') {
      // A link asks the first byte alone before it hands a message to the decoder of records.
      const { violation } = isRecordsMessage(bytes) ? decodeRecords(bytes, STREAM) : { violation: message };
      must(violation !== null && violation.label === message.label, `${violation?.label} in one decoder, ${message.label} in the other`);
      return judgeViolation(message);
    }
    if (message.kind === 'records') return judgeRecords(bytes);
    if (message.kind === 'progress') judgeHeld(message.held);
    if (message.kind === 'hello') judgeHeld(message.facts.held);
    const again = encodeMessage(message);
    // The way a JSON text is written is free; what it says is not. A refusal is read whatever its version, and shortened when it is sent.
    const isJson = (bytes[0] ?? 0) >= FIRST_JSON_KIND;
    if (isJson)
      must(
        isDeepStrictEqual(withoutMinusZero(decodeMessage(again)), withoutMinusZero(message)),
        `${message.kind} is another when it is sent on`,
      );
    else must(Buffer.compare(again, bytes) === 0, `${message.kind} is encoded otherwise`);
    return message.kind;
  },
};

function judgeViolation({ label, violation }: Violation): string {
  must(Object.hasOwn(VIOLATIONS, label) && violation.startsWith(`${label}: `), `violation ${violation}`);
  must(Buffer.byteLength(violation) <= VIOLATION_BYTES_MAX, `a violation of ${Buffer.byteLength(violation)} bytes`);
  must(!/[\p{Cc}\p{Cs}]/u.test(violation), `a violation with unprintable characters: ${JSON.stringify(violation)}`);
  return label;
}

/** Judged here too, because encoder and decoder ask the same function. */
function judgeHeld(held: readonly HeldDataSet[]): void {
  for (const { dataSet, received, durable } of held)
    must(
      durable.length === received.length && durable.every((byte, index) => (byte & ~(received[index] ?? 0)) === 0),
      `of data set ${dataSet} more is durable than was received`,
    );
}

function judgeRecords(bytes: Uint8Array): string {
  must(bytes[0] === MESSAGE_KIND.records && bytes.length <= LIMITS.messageBytesMax, 'a message of records says so');
  const { records, damaged, violation } = decodeRecords(bytes, STREAM);
  const taken = [
    ...records.map((record) => ({ at: record.bytes.byteOffset - bytes.byteOffset })),
    ...damaged.map(({ offset }) => ({ at: offset })),
  ];
  must(new Set(taken.map(({ at }) => at)).size === taken.length && taken.length <= bytes.length / 80, 'each record is read once');
  for (const record of records) mustReencodeWire(record, STREAM);
  if (violation !== null) return judgeViolation(violation);
  const readBytes = records.reduce((sum, record) => sum + record.encodedBytes, 0);
  if (damaged.length > 0) return 'damaged';
  must(readBytes === bytes.length, 'every byte of the message is in a record');
  return 'records';
}

/** JSON knows -0, which is 0 everywhere here. */
function withoutMinusZero(message: WireMessage | Violation): unknown {
  return JSON.parse(JSON.stringify(message, (_, value: unknown) => (value === 0 ? 0 : value)));
}
