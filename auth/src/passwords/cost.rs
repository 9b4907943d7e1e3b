//! What a password hash costs, and how much two of them differ.

use argon2::Params;

/// What one hash costs. Each hash carries its own, so those made before can still
/// be compared after these have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
}

impl Default for HashCost {
    /// The second of the settings that OWASP's password storage sheet calls equal.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2 }
    }
}

impl HashCost {
    /// What a hash with these parameters costs.
    pub(super) fn of(params: &Params) -> Self {
        Self { memory_kib: params.m_cost(), passes: params.t_cost() }
    }

    /// The memory that one hash writes, in KiB, each pass anew. Its time goes by this.
    #[must_use]
    pub fn work_kib(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }

    /// A hash that costs what one of `other` is short of this; none if it is not. With
    /// the same memory it is the passes that are missing, else as much as it comes to.
    pub(super) fn beyond(self, other: Self) -> Option<Self> {
        let missing_kib = self.work_kib().checked_sub(other.work_kib())?;
        let passes = missing_kib.div_ceil(u64::from(self.memory_kib));
        let memory_kib = u32::try_from(missing_kib.checked_div(passes)?).ok()?;
        let passes = u32::try_from(passes).ok()?;
        (memory_kib >= Params::MIN_M_COST).then_some(Self { memory_kib, passes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cheaper_hash_is_short_of_is_known_to_a_few_blocks() {
        let cost = |memory_kib, passes| HashCost { memory_kib, passes };
        assert_eq!(cost(19_456, 5).beyond(cost(19_456, 2)), Some(cost(19_456, 3)));
        assert_eq!(cost(64, 2).beyond(cost(64, 2)), None);
        assert_eq!(cost(64, 2).beyond(cost(128, 2)), None, "it costs more");
        assert_eq!(cost(64, 2).beyond(cost(121, 1)), None, "less than any hash costs");
        for (now, before) in [
            (cost(19_456, 2), cost(12_288, 3)),
            (cost(47_104, 1), cost(19_456, 2)),
            (cost(128, 3), cost(64, 1)),
            (cost(64, 1_000), cost(127, 2)),
        ] {
            let rest = now.beyond(before).expect("it is cheaper");
            assert!(rest.memory_kib <= now.memory_kib, "{rest:?}");
            let short_kib = now.work_kib() - before.work_kib() - rest.work_kib();
            assert!(short_kib < u64::from(rest.passes), "{short_kib} KiB of {now:?}");
        }
    }
}
