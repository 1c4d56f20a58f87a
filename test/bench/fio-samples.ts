/** Reports of fio 3.33 on nbdkit, as it wrote them, without the fields that nobody reads. */

/** 4k random writes, depth 32, a flush every 32; fio may write notes before its report. */
export const FIO_FSYNC = `note: both iodepth >= 1 and synchronous I/O engine are selected, queue depth will be capped at 1
{"fio version": "fio-3.33", "jobs": [{"jobname": "bench", "groupid": 0, "error": 0, "job_runtime": 1000, "usr_cpu": 2.6, "sys_cpu": 12.9, "read": {"io_bytes": 0, "bw_bytes": 0, "iops": 0.0, "runtime": 0, "total_ios": 0, "clat_ns": {"min": 0, "max": 0, "mean": 0.0, "stddev": 0.0, "N": 0}}, "write": {"io_bytes": 53608448, "bw_bytes": 53554893, "iops": 13074.925075, "runtime": 1001, "total_ios": 13088, "clat_ns": {"min": 64536, "max": 64130965, "mean": 890808.718979, "stddev": 2061754.565362, "N": 13088, "percentile": {"50.000000": 593920, "99.000000": 7634944, "99.900000": 21364736}}}, "sync": {"total_ios": 6366, "lat_ns": {"min": 169171, "max": 117764544, "mean": 3179095.165096, "stddev": 6854866.615064, "N": 6366, "percentile": {"50.000000": 1810432, "99.000000": 23199744, "99.900000": 85458944}}}}]}`;

/** 4k random reads, depth 32. */
export const FIO_READ = `{"fio version": "fio-3.33", "jobs": [{"jobname": "bench", "groupid": 0, "error": 0, "job_runtime": 1147, "usr_cpu": 7.061901, "sys_cpu": 31.386225, "read": {"io_bytes": 216612864, "bw_bytes": 188687163, "iops": 46066.202091, "runtime": 1148, "total_ios": 52884, "clat_ns": {"min": 114089, "max": 248251594, "mean": 686438.410672, "stddev": 6195406.637303, "N": 52884, "percentile": {"50.000000": 280576, "99.000000": 4423680, "99.900000": 28966912}}}, "write": {"io_bytes": 0, "bw_bytes": 0, "iops": 0.0, "runtime": 0, "total_ios": 0, "clat_ns": {"min": 0, "max": 0, "mean": 0.0, "stddev": 0.0, "N": 0}}, "sync": {"total_ios": 0, "lat_ns": {"min": 0, "max": 0, "mean": 0.0, "stddev": 0.0, "N": 0}}}]}`;

export const FIO_READ_ERROR = FIO_READ.replace('"error": 0', '"error": 5');
