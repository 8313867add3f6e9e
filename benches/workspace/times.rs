//! Taking the time.

use std::time::Instant;

/// How long something takes, in milliseconds.
pub(super) async fn timed(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<f64> {
    let begun = Instant::now();
    work.await?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// `p50 | p95`, as two cells of a table. There must be a time.
pub(super) fn percentiles(times: impl Iterator<Item = f64>) -> String {
    let mut all: Vec<f64> = times.collect();
    all.sort_by(f64::total_cmp);
    let at = |share: usize| all[(all.len() * share).div_ceil(100) - 1];
    format!("{:.1} | {:.1}", at(50), at(95))
}
