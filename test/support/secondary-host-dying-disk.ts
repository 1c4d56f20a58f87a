/** A disk that dies at a planned operation, and the lives before and after. */
import { Random } from '../../src/simulation/random.ts';
import type { Kept } from '../../src/simulation/disk.ts';
import { TestDisk, type TestDiskOptions } from './test-disk.ts';

export class DyingDisk {
  current: TestDisk;
  /** Operations asked since the last crash. */
  operations = 0;
  crashes = 0;
  #crashAt = Infinity;
  #how: Kept = 'what is durable';
  #whenDead: () => void = () => {};

  /** @param from a disk whose content this one begins with, as a killed process leaves it */
  constructor({ seed, ...others }: TestDiskOptions & { readonly seed: number }, from?: TestDisk) {
    const onAsked = (): void => {
      this.operations += 1;
      if (this.operations >= this.#crashAt) this.crash(this.#how);
    };
    this.current =
      from === undefined
        ? new TestDisk({ ...others, random: new Random(seed), onAsked })
        : from.crash('page cache', { ...others, random: new Random(seed), onAsked });
  }

  /** Die before the n-th operation from now, counted from 1. */
  crashAfter(operations: number, how: Kept): void {
    this.#crashAt = this.operations + operations;
    this.#how = how;
  }

  crash(how: Kept): void {
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
