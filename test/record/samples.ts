/** One value of each record type and message, for golden bytes, round trips and fuzzing. */
import { crc32 } from 'node:zlib';
import type { RecordNumbers, RecordStream, SyncCommand, WriteCommand } from '../../src/record/contract.ts';
import type { WireMessage } from '../../src/record/messages.ts';
import { decodeMessage } from '../../src/record/wire.ts';
import { encodedWriteBytes, RecordWriter, SYNC_RECORD_BYTES } from '../../src/record/record.ts';

export const STREAM: RecordStream = { generation: 3, stream: '0123456789abcdef' };
export const NUMBERS: RecordNumbers = { dataSet: 7, firstSequence: 1000, sequence: 1002 };

/** Payload whose bytes differ from one another, so that a shifted copy is noticed. */
export function payload(lengthBytes: number): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, (_, index) => (index * 7 + (index >> 8)) & 0xff);
}

export const WRITE: WriteCommand = {
  type: 'write',
  vlun: 2,
  lba: 0x1_0000_0001,
  lengthBytes: 512,
  timeUs: 1_700_000_000_123_456,
  payload: payload(512),
};
export const ZERO: WriteCommand = { type: 'zero', vlun: 0, lba: 8, lengthBytes: 1 << 30, timeUs: 1, payload: null };
export const TRIM: WriteCommand = { type: 'trim', vlun: 0xffff_fffe, lba: 0, lengthBytes: 4096, timeUs: 2, payload: null };
export const SYNC: SyncCommand = {
  dataSet: 7,
  firstSequence: 1000,
  finalSequence: 1003,
  reason: 'flush',
  chain: '00112233445566778899aabbccddeeff',
  incarnation: 'fedcba9876543210',
  headBytes: 7777,
  timeUs: 1_700_000_000_123_999,
};

export function encodeWrite(command: WriteCommand, numbers: RecordNumbers = NUMBERS, stream: RecordStream = STREAM): Uint8Array {
  const bytes = new Uint8Array(encodedWriteBytes(command.payload?.length ?? 0));
  new RecordWriter(bytes).encodeWrite(0, command, numbers, stream);
  return bytes;
}

export function encodeSync(sync: SyncCommand = SYNC, stream: RecordStream = STREAM): Uint8Array {
  const bytes = new Uint8Array(SYNC_RECORD_BYTES);
  new RecordWriter(bytes).encodeSync(0, sync, stream);
  return bytes;
}

export function encodePad(bytes: number): Uint8Array {
  const pad = new Uint8Array(bytes);
  new RecordWriter(pad).encodePad(0, bytes);
  return pad;
}

export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Flip one bit in place; bit 8 is the lowest of the second byte. */
export function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
}

export const RECORDS: Readonly<Record<string, Uint8Array>> = {
  write: encodeWrite(WRITE),
  zero: encodeWrite(ZERO),
  trim: encodeWrite(TRIM),
  sync: encodeSync(),
  pad: encodePad(88),
};

const GENERATION = {
  number: 1,
  id: '1111111111111111',
  afterDataSet: null,
  afterSequence: null,
  chain: '00000000000000000000000000000000',
  firstDataSet: 0,
  firstSequence: 0,
};
const PROMOTION = {
  ...GENERATION,
  number: 3,
  id: '3333333333333333',
  afterDataSet: 5,
  afterSequence: 998,
  chain: SYNC.chain,
  firstDataSet: 7,
  firstSequence: 1000,
};
const VOLUMES = [
  { vlun: 0, name: 'db1', sizeBytes: 1 << 30 },
  { vlun: 2, name: 'log ü', sizeBytes: 512 },
];
const POINT = { dataSet: 5, finalSequence: 998, chain: SYNC.chain };
const HELD = { dataSet: 7, firstSequence: 1000, finalSequence: 1003, received: Uint8Array.of(0b1111), durable: Uint8Array.of(0b0101) };
const HELD_OPEN = { dataSet: 8, firstSequence: 1004, finalSequence: null, received: Uint8Array.of(0, 0x80), durable: Uint8Array.of(0, 0) };
const GEOMETRY = { slots: 16, slotBytes: 33_554_432, capacityBytes: 33_000_000, recordsMax: 65_536 };

export const MESSAGES = {
  records: { kind: 'records', encoded: concatenate(encodeWrite(ZERO), encodeSync()) },
  acknowledge: {
    kind: 'acknowledge',
    windowHigh: 21,
    positions: { received: 9, durable: 8, complete: 7, destaged: 5, destagedSequence: 998 },
    ranges: [
      { from: 1000, to: 1002 },
      { from: 1004, to: 1004 },
    ],
  },
  'keep-alive': {
    kind: 'acknowledge',
    windowHigh: 15,
    positions: { received: null, durable: null, complete: null, destaged: null, destagedSequence: null },
    ranges: [],
  },
  reject: { kind: 'reject', reason: 'checksum', dataSet: 7, sequence: 1002, windowHigh: 21 },
  head: { kind: 'head', head: { dataSet: 9, sequence: 1010, bytes: 12_345_678_901, timeMs: 1_700_000_000_123 } },
  'head-before-first': { kind: 'head', head: { dataSet: 0, sequence: -1, bytes: 0, timeMs: 1_700_000_000_123 } },
  'request-progress': { kind: 'requestProgress', closedLinks: [1, 0xffff_ffff] },
  progress: { kind: 'progress', closedLinks: [1], destaged: 5, windowHigh: 21, held: [HELD, HELD_OPEN] },
  hello: {
    kind: 'hello',
    linkKey: 4,
    facts: {
      protocolVersion: 1,
      role: 'secondary',
      groupName: 'demo',
      groupId: 'aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb',
      generations: [GENERATION, PROMOTION],
      stream: STREAM.stream,
      session: '5555555555555555',
      lastPrimarySession: SYNC.incarnation,
      hostEpoch: 1,
      volumes: VOLUMES,
      geometry: GEOMETRY,
      watermark: POINT,
      complete: [],
      held: [
        { ...HELD, digest: 'dddddddddddddddd0000000000000007' },
        { ...HELD_OPEN, digest: 'dddddddddddddddd0000000000000008' },
      ],
    },
  },
  'hello-blank': {
    kind: 'hello',
    linkKey: 0,
    facts: {
      protocolVersion: 1,
      role: 'secondary',
      groupName: 'demo',
      groupId: null,
      generations: [],
      stream: null,
      session: '5555555555555555',
      lastPrimarySession: null,
      hostEpoch: 0,
      volumes: [],
      geometry: GEOMETRY,
      watermark: null,
      complete: [],
      held: [],
    },
  },
  welcome: {
    kind: 'welcome',
    facts: {
      protocolVersion: 1,
      role: 'primary',
      state: 'serving',
      groupName: 'demo',
      groupId: 'aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb',
      generations: [GENERATION, PROMOTION],
      stream: STREAM.stream,
      session: SYNC.incarnation,
      sessionFirstSequence: 1000,
      hostEpoch: 1,
      volumes: VOLUMES,
      dataSetBytesMax: 32_505_856,
      dataSetRecordsMax: 65_536,
      chains: [POINT],
      acknowledged: POINT,
      unacknowledged: [{ dataSet: 7, firstSequence: 1000, finalSequence: null, acknowledged: Uint8Array.of(5) }],
      head: { dataSet: 7, sequence: 1002, bytes: 4096, timeMs: 1_700_000_000_123 },
    },
  },
  ready: { kind: 'ready' },
  refuse: {
    kind: 'refuse',
    outcome: 'refuse',
    label: 'other-group',
    sentence: 'The secondary belongs to group bbbb, this primary is group aaaa.',
  },
  superseded: {
    kind: 'superseded',
    groupId: 'aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb',
    generations: [GENERATION, PROMOTION],
    hostEpoch: 1,
    promotedAtMs: 1_700_000_000_123,
  },
  'superseded-acknowledged': { kind: 'supersededAcknowledged', groupId: 'aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb' },
  held: { kind: 'held', through: 0x1_0000_0007, limitBytes: 67_108_864 },
  release: { kind: 'release', through: 0x1_0000_0003 },
  'peer-hello': {
    kind: 'peerHello',
    facts: {
      protocolVersion: 1,
      role: 'peer',
      groupName: 'demo',
      groupId: 'aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb',
      stream: STREAM.stream,
      generation: STREAM.generation,
      session: '7777777777777777',
      regionId: '99999999999999990000000000000001',
      hold: 'durable',
      regionBytes: 67_108_864,
      lostRegions: ['99999999999999990000000000000000'],
      tail: 0x1_0000_0003,
      head: 0x1_0000_0007,
      hostEpoch: 1,
    },
  },
  'peer-hello-new': {
    kind: 'peerHello',
    facts: {
      protocolVersion: 1,
      role: 'peer',
      groupName: 'demo',
      groupId: null,
      stream: null,
      generation: null,
      session: '7777777777777777',
      regionId: '99999999999999990000000000000001',
      hold: 'memory',
      regionBytes: 67_108_864,
      lostRegions: [],
      tail: 0,
      head: 0,
      hostEpoch: 0,
    },
  },
  'peer-welcome': {
    kind: 'peerWelcome',
    facts: {
      protocolVersion: 1,
      role: 'secondary',
      groupName: 'demo',
      groupId: 'aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb',
      generations: [GENERATION, PROMOTION],
      stream: STREAM.stream,
      session: '5555555555555555',
      hostEpoch: 1,
      volumes: VOLUMES,
      geometry: GEOMETRY,
    },
  },
  fetch: { kind: 'fetch' },
  fetched: { kind: 'fetched', records: 4, unreadable: null },
  'fetched-unreadable': { kind: 'fetched', records: 3, unreadable: 'from byte 8192 on: expected the checksum 00000001, found 00000002' },
} as const satisfies Readonly<Record<string, WireMessage>>;

/** A message with another body under a right checksum. */
export function forge(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const forged = bytes.slice();
  const view = new DataView(forged.buffer);
  change(view);
  view.setUint32(4, crc32(forged.subarray(8), crc32(forged.subarray(0, 4))), true);
  return forged;
}

/** What is wrong with a message, as its receiver says it. */
export function violation(bytes: Uint8Array): string {
  const found = decodeMessage(bytes);
  return found.kind === 'violation' ? found.violation : `decoded as ${found.kind}`;
}
