//! Memory of processes, from Linux's `/proc`. Without it, the values are unknown.

const MEGABYTE: f64 = 1e6;

/// A process's resident memory now and at its peak, in megabytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) now: f64,
    pub(crate) peak: f64,
}

impl Memory {
    /// Reads `VmRSS` and `VmHWM`, see proc(5).
    pub(crate) fn of(process: Option<u32>) -> Self {
        let status = process.map(|process| std::fs::read_to_string(format!("/proc/{process}/status")));
        let status = status.and_then(Result::ok).unwrap_or_default();
        let megabytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes: f64 = line
                .trim_start_matches(':')
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .ok()?;
            Some(kilobytes * 1024.0 / MEGABYTE)
        };
        Self {
            now: megabytes("VmRSS").unwrap_or(f64::NAN),
            peak: megabytes("VmHWM").unwrap_or(f64::NAN),
        }
    }
}
