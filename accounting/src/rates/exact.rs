//! An exact amount of credits before it is rounded: a fraction.

use std::fmt;

use super::decimal::ONE;

/// A fraction of whole numbers, in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact {
    numerator: u128,
    denominator: u128,
}

/// The greatest common divisor; of 0 and something, that.
pub(super) fn greatest_common_divisor(mut one: u128, mut other: u128) -> u128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

impl Exact {
    /// `numerator` over `denominator`, which is not 0 and at most 10^9 times 2^45.
    pub(super) fn new(numerator: u128, denominator: u128) -> Self {
        let divisor = greatest_common_divisor(numerator, denominator);
        Self { numerator: numerator / divisor, denominator: denominator / divisor }
    }

    /// The smallest whole number that is not below it.
    #[must_use]
    pub fn rounded_up(self) -> u128 {
        self.numerator.div_ceil(self.denominator)
    }
}

/// The most places that a decimal can need here: the denominator divides 10^9 times a
/// number of at most 45 bits.
const MOST_PLACES: usize = 9 + 45;

impl fmt::Display for Exact {
    /// A decimal, or, where that would have no end, a fraction such as `37/3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut rest) = (self.numerator / self.denominator, self.numerator % self.denominator);
        let mut places = String::new();
        while rest != 0 && places.len() < MOST_PLACES {
            // Below 10^9 times 2^45: ten times that is far from 2^128.
            rest *= 10;
            places.push(
                char::from_digit(u32::try_from(rest / self.denominator).unwrap_or(0), 10).unwrap_or('0'),
            );
            rest %= self.denominator;
        }
        match places.as_str() {
            _ if rest != 0 => write!(f, "{}/{}", self.numerator, self.denominator),
            "" => write!(f, "{whole}"),
            places => write!(f, "{whole}.{places}"),
        }
    }
}

/// How many parts one credit is counted in where quantities are per `multiple`.
pub(super) fn denominator(multiple: u64) -> u128 {
    ONE * u128::from(multiple)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_decimals_where_they_end_and_fractions_where_not() {
        let shown = |numerator, denominator| Exact::new(numerator, denominator).to_string();
        assert_eq!(shown(0, 5), "0");
        assert_eq!(shown(10, 5), "2");
        assert_eq!(shown(99, 8), "12.375");
        assert_eq!(shown(37, 3), "37/3");
        assert_eq!(shown(1, ONE << 45).len(), 2 + MOST_PLACES);
        assert!(shown(1, ONE << 45).ends_with('5'));
        assert_eq!(Exact::new(99, 8).rounded_up(), 13);
        assert_eq!(Exact::new(16, 8).rounded_up(), 2);
        assert_eq!(Exact::new(u128::MAX, 1).rounded_up(), u128::MAX);
    }
}
