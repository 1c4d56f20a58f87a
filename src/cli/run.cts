#!/usr/bin/env node
/**
 * The entry of `farshore`. CommonJS on purpose: Node loads an ES module through its thread pool, and the size of the pool is
 * fixed when it is first used; here the pool has not been used yet. Journals, volumes and commands share the pool.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '16';
void import('./main.ts').then(({ main }) => main(process.argv.slice(2)));
