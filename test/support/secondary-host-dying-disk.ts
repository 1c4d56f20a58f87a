/** A disk that dies at a planned operation, and the lives before and after. */
import { MemoryDisk, type CrashOptions, type MemoryDiskOptions } from './memory-disk.ts';

export class DyingDisk {
  current: MemoryDisk;
  /** Operations asked since the last crash. */
  operations = 0;
  crashes = 0;
  #crashAt = Infinity;
  #how: CrashOptions = {};
  #whenDead: () => void = () => {};

  /** @param from a disk whose content this one begins with, as a killed process leaves it */
  constructor(options: MemoryDiskOptions, from?: MemoryDisk) {
    const onAsked = (): void => {
      this.operations += 1;
      if (this.operations >= this.#crashAt) this.crash(this.#how);
    };
    this.current =
      from === undefined ? new MemoryDisk({ ...options, onAsked }) : from.crash({ keepPageCache: true, options: { ...options, onAsked } });
  }

  /** Die before the n-th operation from now, counted from 1. */
  crashAfter(operations: number, how: CrashOptions): void {
    this.#crashAt = this.operations + operations;
    this.#how = how;
  }

  crash(how: CrashOptions): void {
    this.#crashAt = Infinity;
    this.operations = 0;
    this.crashes += 1;
    this.current = this.current.crash(how);
    this.#whenDead();
  }

  /** The outcome of the work, or null if the disk died before. What a dead process throws counts no more. */
  async unlessDead<Result>(work: () => Promise<Result>): Promise<Result | null> {
    const disk = this.current;
    const dead = new Promise<null>((resolve) => {
      this.#whenDead = () => resolve(null);
    });
    const caught = (error: unknown): null => {
      if (disk.dead) return null;
      throw error;
    };
    const result = await Promise.race([work().catch(caught), dead]);
    return disk.dead ? null : result;
  }
}
