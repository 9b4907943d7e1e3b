//! Whether the time that answers take tells them apart: a rank test of samples taken in turn.

use std::time::Duration;

/// Samples of each kind. Of alike ones this many differ by chance as much as `is_slower`
/// asks for less than once in a thousand times, and that thrice in a row.
const ROUNDS: usize = 31;
/// A busy machine gets another chance, and another.
const TRIES: usize = 3;

/// Insists that nobody tells by `time`, which asks once and gives how long it took, of which
/// of `kinds` a request was.
pub(crate) async fn assert_alike<K>(what: &str, kinds: &[K], mut time: impl AsyncFnMut(&K) -> Duration) {
    let mut told = Vec::new();
    for _ in 0..TRIES {
        let mut samples = vec![Vec::new(); kinds.len()];
        // In turn, so that whatever else the machine does falls on all of them.
        for _ in 0..ROUNDS {
            for (kind, samples) in kinds.iter().zip(&mut samples) {
                samples.push(time(kind).await);
            }
        }
        let is_told = samples.iter().any(|one| samples.iter().any(|other| is_slower(one, other)));
        if !is_told {
            return;
        }
        told.push(samples.into_iter().map(median).collect::<Vec<_>>());
    }
    panic!("{what}: the time tells, medians {told:?}");
}

/// Whether a random one of `ones` is slower by more than a quarter than a random one of
/// `others`, three times out of four (the statistic of Mann and Whitney). Less is what a
/// read more or less may cost; half as long again is told.
fn is_slower(ones: &[Duration], others: &[Duration]) -> bool {
    let slower = ones.iter().map(|one| others.iter().filter(|other| *one * 4 > **other * 5).count());
    slower.sum::<usize>() * 4 > ones.len() * others.len() * 3
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

/// Samples within 10 % of `base_us`, but for every tenth, which is twice as long.
fn noisy(base_us: u64, mut seed: u64) -> Vec<Duration> {
    let samples = (0..ROUNDS).map(|index| {
        // The multiplier of MMIX; only its high bits are of use.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let percent = (seed >> 33) % 20;
        let outlier = if index % 10 == 0 { base_us } else { 0 };
        Duration::from_micros(base_us * (90 + percent) / 100 + outlier)
    });
    samples.collect()
}

#[test]
fn half_as_long_again_is_told_and_noise_is_not() {
    for seed in 1..=200 {
        let (one, other) = (noisy(20_000, seed), noisy(20_000, seed + 1_000));
        assert!(!is_slower(&one, &other) && !is_slower(&other, &one), "{one:?} {other:?}");
        let slower = noisy(30_000, seed + 2_000);
        assert!(is_slower(&slower, &one) && !is_slower(&one, &slower), "{slower:?} {one:?}");
    }
}

#[tokio::test]
#[should_panic(expected = "the time tells")]
async fn what_takes_half_as_long_again_does_not_pass() {
    assert_alike("a kind", &[2_u32, 3], async |kind| Duration::from_millis(10) * *kind).await;
}
