/** One end of a link, or of a plain TCP connection in its place, as a process: the sender listens, the receiver dials, as primary and secondary do. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Link } from '../../src/link/link.ts';
import { LinkDialer } from '../../src/link/link-dialer.ts';
import { LinkServer } from '../../src/link/link-server.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { decodeRecords } from '../../src/record/records-message.ts';
import { answer, startUsage, taskOfProcess, type Usage } from './alone.ts';
import { DataSetMaker, IDENTITY } from './journal-fill.ts';

export interface LinkTask {
  readonly end: 'send' | 'receive';
  /** `checked`: a link whose receiver also decodes the records and checks their checksums, as a secondary does. */
  readonly way: 'link' | 'checked' | 'tcp';
  readonly recordBytes: number;
  readonly batchRecords: number;
  /** Of the receiver. */
  readonly port: number;
  readonly seconds: number;
}

/** What an end used while bytes went over it. */
export interface LinkAnswer extends Usage {
  readonly bytes: number;
}

const HOST = '127.0.0.1';
const READ_BYTES = LIMITS.recordDataBytesMax + LIMITS.batchBytesMax;
/** Bytes that a plain socket may hold before its sender waits, as on a link. */
const BUFFERED_BYTES_MAX = LIMITS.linkBufferedBytesMax;

/** What is sent in one turn of the event loop at most: while the kernel takes everything at once there is no other end to it. */
const TURN_BYTES = 1024 * 1024;

const task = taskOfProcess() as LinkTask;
if (task.end === 'send') await send();
else await receive();

/** One message of records, sent again and again. */
function makeMessage(): Uint8Array {
  const { recordBytes, batchRecords } = task;
  const geometry = { capacityBytes: 8 * READ_BYTES, recordsMax: LIMITS.dataSetRecordsMax };
  const maker = new DataSetMaker({ recordBytes, volumeBytes: 2 ** 30, geometry, writes: batchRecords });
  const { records } = maker.next();
  return maker.buffer.subarray(
    0,
    records.slice(0, -1).reduce((sum, bytes) => sum + bytes.length, 0),
  );
}

async function send(): Promise<void> {
  const message = makeMessage();
  let usage: (() => Usage) | null = null;
  const end = (): void => {
    answer({ ...(usage?.() ?? { seconds: 0, cpuSeconds: 0 }), bytes: 0 });
    process.exit(0);
  };
  if (task.way === 'tcp') {
    const server = createServer({ noDelay: true }, (socket) => {
      usage = startUsage();
      let isFilling = false;
      const fill = (): void => {
        isFilling = false;
        for (let sentBytes = 0; sentBytes < TURN_BYTES; sentBytes += message.length) {
          if (!socket.writable || socket.writableLength >= BUFFERED_BYTES_MAX) return;
          socket.write(message, sent);
        }
        isFilling = true;
        setImmediate(fill);
      };
      // Refilled at half, as a link is.
      const sent = (): void => {
        if (isFilling || socket.writableLength >= BUFFERED_BYTES_MAX / 2) return;
        isFilling = true;
        setImmediate(fill);
      };
      socket.on('error', () => undefined).on('close', end);
      fill();
    });
    server.listen(0, HOST, () => answer({ port: (server.address() as AddressInfo).port }));
    return;
  }
  const fill = (link: Link): void => {
    for (let sentBytes = 0; sentBytes < TURN_BYTES; sentBytes += message.length) {
      if (link.budgetBytes === 0) return;
      link.send(message);
    }
    setImmediate(fill, link);
  };
  const server = new LinkServer({
    listen: [{ kind: 'tcp', host: HOST, port: 0 }],
    handlers: {
      opened: (link) => {
        usage = startUsage();
        fill(link);
      },
      message: () => undefined,
      drained: fill,
      closed: end,
    },
  });
  await server.start();
  const [address] = server.addresses();
  answer({ port: address?.kind === 'tcp' ? address.port : 0 });
}

async function receive(): Promise<void> {
  let bytes = 0;
  const finish = (usage: () => Usage): void => {
    setTimeout(() => {
      answer({ ...usage(), bytes });
      process.exit(0);
    }, task.seconds * 1000);
  };
  if (task.way === 'tcp') {
    const slab = Buffer.alloc(READ_BYTES);
    const took = (count: number): boolean => {
      bytes += count;
      return true;
    };
    const socket: Socket = connect({ host: HOST, port: task.port, onread: { buffer: slab, callback: took } });
    socket.once('connect', () => finish(startUsage()));
    return;
  }
  const isChecked = task.way === 'checked';
  const dialer = new LinkDialer({
    addresses: [`ws://${HOST}:${task.port}`],
    links: 1,
    handlers: {
      opened: () => finish(startUsage()),
      message: (_link, message) => {
        bytes += message.length;
        if (isChecked && decodeRecords(message, IDENTITY).violation !== null) throw new Error('a message that is none came over the link');
      },
      drained: () => undefined,
      closed: () => undefined,
    },
  });
  dialer.start();
}
