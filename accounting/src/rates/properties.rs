//! Prices against fractions of numbers without a limit, added up one after the other.

use std::collections::BTreeMap;

use num_bigint::BigUint;
use proptest::prelude::*;

use super::*;

/// A kind of unit: credits in billionths, per, quantity.
type Part = (u64, u64, u64);

fn any_part() -> impl Strategy<Value = Part> {
    let credits = prop_oneof![
        3 => 0..20_000_000_000_u64,
        1 => Just(0),
        1 => 0..9_007_199_254_740_991_u64,
        1 => 0..u64::MAX,
    ];
    let per = prop_oneof![
        4 => prop::sample::select(vec![1, 2, 3, 7, 60, 1_000, 1_024, 3_600, 1_000_000, 1_000_000_000, 1 << 30]),
        2 => 1..100_u64,
        1 => 1..=MAX_PER,
    ];
    let quantity = prop_oneof![3 => 0..10_000_u64, 1 => Just(0), 1 => 0..=MAX_QUANTITY];
    (credits, per, quantity)
}

/// The sum as one fraction, the way it is done on paper.
fn on_paper(parts: &[Part]) -> (BigUint, BigUint) {
    let billion = BigUint::from(1_000_000_000_u64);
    parts.iter().fold((BigUint::ZERO, BigUint::from(1_u8)), |(top, bottom), (credits, per, quantity)| {
        let (more, of) = (BigUint::from(*credits) * *quantity, BigUint::from(*per) * &billion);
        (top * &of + more * &bottom, bottom * of)
    })
}

fn name(index: usize) -> String {
    format!("unit_{index}")
}

fn card(parts: &[Part]) -> Result<RateCard, Vec<InvalidCard>> {
    let rates = parts.iter().enumerate().map(|(index, (credits, per, _))| {
        let text = format!("{}.{:09}", credits / 1_000_000_000, credits % 1_000_000_000);
        (name(index), UnitRate { credits: text.parse().expect("a decimal"), per: *per })
    });
    RateCard::new(rates.collect())
}

proptest! {
    #![proptest_config(crate::testing::cases(20_000))]

    #[test]
    fn a_price_is_the_exact_sum_rounded_up_once(parts in prop::collection::vec(any_part(), 1..=MAX_UNIT_KINDS)) {
        let quantities = parts.iter().enumerate().map(|(index, (_, _, quantity))| (name(index), *quantity));
        let units = Units::new(quantities.collect::<BTreeMap<_, _>>()).expect("units");
        let card = match card(&parts) {
            Ok(card) => card,
            Err(wrong) => {
                prop_assert_eq!(wrong, vec![InvalidCard::CommonMultiple]);
                return Ok(());
            }
        };
        let (top, bottom) = on_paper(&parts);
        let up = (&top + &bottom - 1_u8) / &bottom;
        let expected = i64::try_from(&up).ok().filter(|credits| *credits < crate::ledger::CREDITS_LIMIT);
        let price = card.price(&units);
        prop_assert_eq!(price.as_ref().ok().map(|price| price.credits), expected);
        if let Ok(price) = price {
            prop_assert!(exactly(&price.exact.to_string(), &top, &bottom), "{}", price.exact);
            prop_assert_eq!(price.credits == 0, top == BigUint::ZERO);
        } else {
            prop_assert_eq!(price, Err(Unpriced::OutOfRange));
        }
    }
}

/// Whether the text says what the fraction is.
fn exactly(text: &str, top: &BigUint, bottom: &BigUint) -> bool {
    let number = |text: &str| text.parse::<BigUint>().expect("digits");
    let (over, under) = match (text.split_once('/'), text.split_once('.')) {
        (Some((over, under)), _) => (number(over), number(under)),
        (None, Some((whole, places))) => {
            let under = BigUint::from(10_u8).pow(u32::try_from(places.len()).expect("few"));
            (number(whole) * &under + number(places), under)
        }
        (None, None) => (number(text), BigUint::from(1_u8)),
    };
    over * bottom == top * under
}
