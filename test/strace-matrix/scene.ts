/**
 * The place of one cell: a folder with a primary and a secondary, copied from a template that was prepared once, a port of its own,
 * and the history of what the application wrote so far.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hosts, freePort } from '../support/hosts.ts';
import type { Host } from '../support/host-process.ts';
import { hostBeside } from '../support/host-copies.ts';
import { History, VOLUMES, type Request } from './history.ts';

export const SLOTS = 3;
/** In the path of every file of a cell. */
export const SCENE_PREFIX = 'farshore-strace-';

/** Folders `primary` and `secondary` as they were left, and what was written until then. */
export interface Template {
  readonly folder: string;
  readonly requests: readonly Request[];
  /** Requests in complete data sets of the secondary's files. */
  readonly complete: number;
}

export class Scene {
  readonly folder: string;
  readonly hosts: Hosts;
  readonly history: History;
  /** What the inner hosts logged. */
  readonly lines: string[] = [];
  readonly tracePath: string;

  private constructor(folder: string, port: number, history: History) {
    this.folder = folder;
    this.history = history;
    this.tracePath = join(folder, 'trace.txt');
    this.hosts = new Hosts(folder, port, { group: 'matrix', slots: SLOTS, links: 2 });
    for (const host of [this.hosts.primary, this.hosts.secondary]) shrink(host);
  }

  /** Copy a template; without one the folder is empty. */
  static async open(template: Template | null): Promise<Scene> {
    const folder = mkdtempSync(join(tmpdir(), SCENE_PREFIX));
    if (template !== null) {
      for (const name of ['primary', 'secondary']) copyFolder(join(template.folder, name), join(folder, name));
    }
    return new Scene(folder, await freePort(), new History(template?.requests ?? []));
  }

  /** A copy of the stopped secondary, on which a promotion may be tried. */
  copyOfSecondary(): Host {
    const { secondary } = this.hosts;
    copyFolder(secondary.stateDirectory, join(this.folder, 'copy'));
    return hostBeside(secondary, 'copy');
  }

  exists(path: string): boolean {
    return existsSync(join(this.folder, path));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Sockets are not copied: nobody listens on them. */
function copyFolder(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith('.sock') });
}

/** Everything as small as is allowed, so that a cell is soon copied, flushed and compared. */
function shrink({ config, name }: Host): void {
  config.volumes = VOLUMES.map(({ name: volume, vlun, sizeBytes }) => ({
    name: volume,
    vlun,
    size: `${sizeBytes / 1024}KiB`,
    path: `${name}/${volume}.img`,
  }));
  if (config.journals !== undefined) config.journals.size = '64KiB';
  config.log = { level: 'info', format: 'text' };
  if (config.role === 'primary') config.dataSets = { minAge: '1ms', maxAge: '20ms', maxSize: '32KiB' };
}
