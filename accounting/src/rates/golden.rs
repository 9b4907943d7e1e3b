//! Cases worked by hand: the numbers here are those of docs/credits.md.

use super::*;

/// A card of these units, each `(name, credits, per)`.
fn card(units: &[(&str, &str, u64)]) -> Result<RateCard, Vec<InvalidCard>> {
    let rate = |(name, credits, per): &(&str, &str, u64)| {
        ((*name).to_owned(), UnitRate { credits: credits.parse().expect("a decimal"), per: *per })
    };
    RateCard::new(units.iter().map(rate).collect())
}

fn units(of: &[(&str, u64)]) -> Units {
    Units::new(of.iter().map(|(name, quantity)| ((*name).to_owned(), *quantity)).collect()).expect("units")
}

/// What units come to: whole credits, and before rounding.
fn priced(card: &RateCard, of: &[(&str, u64)]) -> (i64, String) {
    let price = card.price(&units(of)).expect("a price");
    (price.credits, price.exact.to_string())
}

fn told(credits: i64, exact: &str) -> (i64, String) {
    (credits, exact.to_owned())
}

#[test]
fn a_request_is_rounded_up_once() {
    let chat = card(&[("input_tokens", "2.5", 1_000), ("output_tokens", "10", 1_000)]).expect("a card");
    let price = |input, output| priced(&chat, &[("input_tokens", input), ("output_tokens", output)]);
    assert_eq!(price(1_234, 929), told(13, "12.375"));
    assert_eq!(price(400, 0), told(1, "1"));
    assert_eq!(price(401, 0), told(2, "1.0025"));
    assert_eq!(price(1, 0), told(1, "0.0025"));
    assert_eq!(price(0, 0), told(0, "0"));
    assert_eq!(priced(&chat, &[("output_tokens", 50)]), told(1, "0.5"));
    assert_eq!(chat.price_of("input_tokens", 1_234).map(|exact| exact.to_string()).as_deref(), Some("3.085"));
    assert_eq!(chat.price_of("output_tokens", 929).map(|exact| exact.to_string()).as_deref(), Some("9.29"));
}

#[test]
fn a_price_without_an_end_is_a_fraction() {
    let film = card(&[("seconds", "7", 3_600)]).expect("a card");
    assert_eq!(priced(&film, &[("seconds", 1_800)]), told(4, "3.5"));
    assert_eq!(priced(&film, &[("seconds", 100)]), told(1, "7/36"));
}

#[test]
fn the_smaller_the_credit_the_less_rounding_weighs() {
    // 2.50 and 10.00 dollars a million tokens: 1,234 and 929 of them are worth 0.012375 dollars.
    let per = 1_000_000;
    for (input, output, expected) in [
        ("250", "1000", told(2, "1.2375")),
        ("25000", "100000", told(124, "123.75")),
        ("250000", "1000000", told(1_238, "1237.5")),
        ("2500000", "10000000", told(12_375, "12375")),
    ] {
        let card = card(&[("input_tokens", input, per), ("output_tokens", output, per)]).expect("a card");
        assert_eq!(priced(&card, &[("input_tokens", 1_234), ("output_tokens", 929)]), expected);
    }
}

#[test]
fn what_has_no_price_is_told() {
    let chat = card(&[("input_tokens", "2.5", 1_000)]).expect("a card");
    let unknown = chat.price(&units(&[("images", 0), ("input_tokens", 1), ("words", 2)]));
    assert_eq!(unknown, Err(Unpriced::UnknownUnits(vec!["images".to_owned(), "words".to_owned()])));
    assert_eq!(card(&[]).expect("a card").price(&units(&[("input_tokens", 1)])), Err(Unpriced::NoRate));
    let dear = card(&[("hours", "9007199254740991", 1)]).expect("a card");
    assert_eq!(priced(&dear, &[("hours", 1)]), told(9_007_199_254_740_991, "9007199254740991"));
    assert_eq!(dear.price(&units(&[("hours", 2)])), Err(Unpriced::OutOfRange));
    assert_eq!(dear.price(&units(&[("hours", MAX_QUANTITY)])), Err(Unpriced::OutOfRange));
    let nearly = card(&[("hours", "9007199254740991.000000001", 1)]).expect("a card");
    assert_eq!(nearly.price(&units(&[("hours", 1)])), Err(Unpriced::OutOfRange));
}

#[test]
fn a_card_that_cannot_stay_exact_is_refused() {
    let gibibyte = 1 << 30;
    assert!(card(&[("bytes", "3", gibibyte), ("requests", "0.2", 1_000_000)]).is_ok());
    let wrong = card(&[("bytes", "3", gibibyte), ("requests", "0.2", 1_000_000_007)]);
    assert_eq!(wrong, Err(vec![InvalidCard::CommonMultiple]));
    let per = |name: &str| InvalidCard::Per(name.to_owned());
    let wrong = card(&[("a", "1", 0), ("b", "1", MAX_PER + 1), ("C", "1", 1)]);
    assert_eq!(wrong, Err(vec![InvalidCard::Name("C".to_owned()), per("a"), per("b")]));
}

#[test]
fn a_rate_is_for_one_unit_unless_it_says_for_how_many() {
    let rate = |json: &str| serde_json::from_str::<UnitRate>(json).expect("a rate").per;
    assert_eq!(rate(r#"{"credits": "2.5"}"#), 1);
    assert_eq!(rate(r#"{"credits": "2.5", "per": 1000}"#), 1_000);
}

#[test]
fn a_card_shows_the_rates_that_it_was_made_of() {
    let chat = card(&[("output_tokens", "10", 1_000), ("input_tokens", "2.5", 1)]).expect("a card");
    let shown: Vec<_> =
        chat.units().iter().map(|(name, rate)| (name.as_str(), rate.credits.to_string(), rate.per)).collect();
    let expected = [("input_tokens", "2.5", 1), ("output_tokens", "10", 1_000)];
    assert_eq!(shown, expected.map(|(name, credits, per)| (name, credits.to_owned(), per)));
}
