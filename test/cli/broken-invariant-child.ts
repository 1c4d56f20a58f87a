/** A process in which an invariant breaks at a chosen place, under the production entry; started by the test beside it. */
import { writeSync } from 'node:fs';
import { request } from 'node:http';
import { main } from '../../src/cli/main.ts';
import { assert } from '../../src/model/assert.ts';
import type { StatusReport } from '../../src/model/status.ts';
import { HeadHistory } from '../../src/secondary/head-history.ts';
import { SecondaryLinks } from '../../src/secondary/secondary-links.ts';
import { HostServer } from '../../src/status/host-server.ts';
import { blankPrimaryFacts, blankSecondaryFacts } from '../support/handshake-facts.ts';
import { NotedSocket } from '../support/noted-socket.ts';

const [place = '', folder = ''] = process.argv.slice(2);

/** Whatever still runs after this says so. */
function breakInvariant(): never {
  process.nextTick(() => writeSync(1, 'ran on\n'));
  setImmediate(() => writeSync(1, 'ran on\n'));
  assert(false, `broken in a ${place}`);
  throw new Error('unreachable');
}

async function inCommand(): Promise<void> {
  const controlSocket = `${folder}/control`;
  const commands = { boom: () => Promise.resolve().then(breakInvariant) };
  await new HostServer({ status: () => ({}) as StatusReport, commands, controlSocket, listen: [] }).start();
  request({ socketPath: controlSocket, path: '/api/boom', method: 'POST' }, () => writeSync(1, 'answered\n')).end();
}

function inWelcome(): void {
  const socket = new NotedSocket();
  const secondary = blankSecondaryFacts();
  const links = new SecondaryLinks({
    addresses: ['ws://primary'],
    links: 1,
    connect: () => socket.asWebSocket,
    facts: () => secondary,
    replica: () => null,
    stream: () => ({ generation: 0, stream: '' }),
    heads: new HeadHistory(),
    bind: () => Promise.resolve().then(breakInvariant),
    volumeBytes: new Map(),
    onEvent: ({ kind }) => void writeSync(1, `${kind}\n`),
    onHead: () => {},
  });
  links.start();
  socket.emit('open');
  setImmediate(() => socket.receive({ kind: 'welcome', facts: blankPrimaryFacts() }));
}

// The production entry, which also says what an exception that nobody catches means.
await main(['--version']);
process.on('exit', (code) => void writeSync(1, `exit ${code}\n`));
setTimeout(() => process.exit(99), 30_000);
if (place === 'command') await inCommand();
else if (place === 'welcome') inWelcome();
else setTimeout(breakInvariant, 1);
