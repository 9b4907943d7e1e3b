//! Chance that a seed decides: the same seed throws the same.

use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

#[derive(Debug)]
pub(crate) struct Dice(StdRng);

/// What dice of a seed and a number decide. None shifts what another throws.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    /// How long the faults of a run hold, and how its clients behave.
    Run,
    /// What a client asks for, `loads` being how often the load of its run has begun.
    Client { loads: u64, client: u64 },
    /// In which order the faults take their turns; the number is that of the round.
    Order,
    /// Which fault comes besides.
    Companion,
}

impl Dice {
    /// The dice of run (or round) `number` of a seed.
    pub(crate) fn of(seed: u64, number: u64, whose: Whose) -> Self {
        let whose = match whose {
            Whose::Run => 0,
            Whose::Client { loads, client } => (loads << 8) + client,
            Whose::Order => u64::MAX,
            Whose::Companion => u64::MAX - 1,
        };
        let mut bytes = [0; 32];
        for (place, part) in [seed, number, whose].into_iter().enumerate() {
            bytes[place * 8..][..8].copy_from_slice(&part.to_le_bytes());
        }
        Self(StdRng::from_seed(bytes))
    }

    /// Dice for what is no part of a plan, such as a port that must be another one's than a neighbour's.
    pub(crate) fn of_this_moment() -> Self {
        Self(StdRng::from_rng(&mut rand::rng()))
    }

    /// A number of the range.
    pub(crate) fn among(&mut self, range: Range<i64>) -> i64 {
        self.0.random_range(range)
    }

    /// A place in a list of that length.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        self.0.random_range(0..length)
    }

    /// True so often of a hundred times.
    pub(crate) fn percent(&mut self, times: i64) -> bool {
        self.among(0..100) < times
    }

    /// A time in milliseconds.
    pub(crate) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.0.random_range(range))
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        list.shuffle(&mut self.0);
    }
}
