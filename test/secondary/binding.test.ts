/** First contact of a secondary whose disk fails in the middle of it: what is recorded must not pass for what is done. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { geometryOf } from '../../journals/geometry.ts';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { inlineCarrier } from '../../src/secondary/destager.ts';
import { initSecondary } from '../../src/secondary/init.ts';
import { Secondary } from '../../src/secondary/secondary.ts';
import type { VolumeConfig } from '../../src/volume/contract.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import { blankPrimaryFacts } from '../support/handshake-facts.ts';
import { NotedSocket } from '../support/noted-socket.ts';
import { TestDisk } from '../support/test-disk.ts';
import { until } from '../support/until.ts';

const VOLUMES: readonly VolumeConfig[] = [{ vlun: 0, name: 'a', sizeBytes: 65_536, path: '/volumes/a', store: 'pwrite' }];
const OF_HOST = { group: 'g', stateDirectory: '/state', volumes: VOLUMES };
const journals = { directory: '/journals', geometry: geometryOf({ slots: 4, slotBytes: 131_072 }) };

test('a binding that fails half-way is finished with the next welcome of the same primary', async () => {
  const disk = new TestDisk({ seed: 1 });
  disk.makeDirectory('/volumes');
  await initSecondary({ disk, ...OF_HOST, journals, zeroExisting: false, onProgress: () => {} });
  const sockets: NotedSocket[] = [];
  let failsToOpen = true;
  const secondary = await Secondary.start({
    disk,
    ...OF_HOST,
    journals,
    connect: ['ws://primary'],
    links: 1,
    nbdListen: [],
    objectiveMs: 1000,
    dial: true,
    connectSocket: () => {
      const socket = new NotedSocket();
      sockets.push(socket);
      setImmediate(() => socket.emit('open'));
      return socket.asWebSocket;
    },
    openCarrier: (buffers) => {
      if (failsToOpen) throw new Error('EIO: open /volumes/a');
      return inlineCarrier(() => openVolumes(disk, VOLUMES, { lock: false }), buffers);
    },
    log: () => {},
  });
  const facts = blankPrimaryFacts({ volumes: secondary.state.volumes, dataSetBytesMax: 65_536 });
  await until('a hello', () => sockets[0]?.sent('hello').length === 1);
  sockets[0]?.receive({ kind: 'welcome', facts });
  await until('the link is closed', () => sockets[0]?.closedWith !== null);
  assert.equal([sockets[0]?.closedWith?.code, sockets[0]?.sent('ready').length], [CLOSE_CODE.shutdown, 0]);

  failsToOpen = false;
  await until('another hello', () => sockets[1]?.sent('hello').length === 1);
  sockets[1]?.receive({ kind: 'welcome', facts });
  await until('an answer', () => sockets[1]?.sent('ready').length === 1 || sockets[1]?.closedWith !== null);
  assert.ok(secondary.replica !== null, 'what arrives on this link has somewhere to go');
  await secondary.stop();
});

test.run();
