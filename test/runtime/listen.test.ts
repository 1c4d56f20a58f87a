/** What stands at the path of a Unix socket: a living server keeps its own, a file stays, and what a killed process left is replaced. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LinkServer } from '../../src/link/link-server.ts';
import type { FarshoreError } from '../../src/model/errors.ts';
import type { StatusReport } from '../../src/model/status.ts';
import { listenOn } from '../../src/runtime/listen.ts';
import { HostServer } from '../../src/status/host-server.ts';
import { withFolder } from '../support/scratch.ts';

interface Listener {
  start(): Promise<unknown>;
  stop(): unknown;
}

/** Every server of a host that may listen on a Unix socket, beside that of NBD, which has tests of its own. */
const SERVERS: readonly { readonly name: string; readonly open: (path: string, folder: string) => Listener }[] = [
  {
    name: 'replication',
    open: (path) => {
      const handlers = { opened: () => {}, message: () => {}, drained: () => {}, closed: () => {} };
      return new LinkServer({ listen: [{ kind: 'unix', path }], handlers });
    },
  },
  {
    name: 'status',
    open: (path, folder) =>
      new HostServer({
        status: () => ({ state: 'replicating' }) as StatusReport,
        commands: {},
        controlSocket: join(folder, `control-${Math.random()}`),
        listen: [{ kind: 'unix', path }],
      }),
  },
  {
    name: 'control',
    open: (path) =>
      new HostServer({ status: () => ({ state: 'replicating' }) as StatusReport, commands: {}, controlSocket: path, listen: [] }),
  },
];

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => resolve((socket.destroy(), true)));
    socket.once('error', () => resolve(false));
  });
}

async function refusal(listener: Listener): Promise<FarshoreError> {
  const error = await listener.start().then(
    () => null,
    (caught: unknown) => caught as FarshoreError,
  );
  // As a host does whose start failed: what is not its own must stay.
  await listener.stop();
  assert.ok(error !== null, 'it must refuse');
  return error;
}

for (const { name, open } of SERVERS) {
  test(`${name}: the socket of a living server is not taken away`, async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'socket');
      const first = open(path, folder);
      await first.start();
      try {
        const error = await refusal(open(path, folder));
        assert.equal(
          [error.code, /another server listens there/.test(error.message), await answers(path)],
          ['ERR_LISTEN', true, true],
          error.message,
        );
      } finally {
        await first.stop();
      }
      assert.not(existsSync(path), 'its own socket goes with it');
    });
  });

  test(`${name}: a file that is no socket is refused and stays`, async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'socket');
      writeFileSync(path, 'precious');
      const error = await refusal(open(path, folder));
      assert.is(error.code, 'ERR_LISTEN');
      assert.match(error.message, /not a socket/);
      assert.is(readFileSync(path, 'utf8'), 'precious');
    });
  });

  test(`${name}: what a killed process left is replaced`, async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'socket');
      const killed = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
      assert.is(spawnSync(process.execPath, ['-e', killed]).signal, 'SIGKILL');
      assert.equal([existsSync(path), await answers(path)], [true, false]);
      const listener = open(path, folder);
      try {
        await listener.start();
        assert.ok(await answers(path));
      } finally {
        await listener.stop();
      }
    });
  });
}

test('a path that is too long for a socket is refused by its length', async () => {
  const path = `/tmp/${'x'.repeat(200)}`;
  const purpose = { what: 'tests', setting: 'test', code: 'ERR_LISTEN' } as const;
  const error = await listenOn(createServer(), { kind: 'unix', path }, purpose).catch((caught: unknown) => caught as FarshoreError);
  assert.match((error as FarshoreError).message, /205 bytes/);
  rmSync(path, { force: true });
});

test.run();
