//! Rates, and requests that name units in place of credits.

use super::*;

impl Api {
    async fn put_rate(&self, resource: &str, body: Value) -> Answer {
        let request = Request::put(format!("/v1/rates/{resource}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        self.send(request.expect("a request")).await
    }

    async fn rates(&self, below: &str) -> Answer {
        self.send(Request::get(format!("/v1/rates{below}")).body(Body::empty()).expect("a request")).await
    }

    async fn quote(&self, body: Value) -> Answer {
        let request = Request::post("/v1/rates/quote")
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        self.send(request.expect("a request")).await
    }
}

impl Answer {
    /// That these fields are wrong, each with its code.
    fn is_wrong_at(&self, places: &[(&str, &str)]) {
        self.is(400, "invalid_request");
        let told = self.body["errors"].as_array().expect("errors").iter();
        let told = told.map(|error| (error["pointer"].as_str(), error["code"].as_str()));
        let expected = places.iter().map(|(pointer, code)| (Some(*pointer), Some(*code)));
        assert_eq!(told.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{}", self.body);
    }
}

fn tokens(input: &str, output: &str) -> Value {
    json!({"input_tokens": {"credits": input, "per": 1000}, "output_tokens": {"credits": output, "per": 1000}})
}

#[tokio::test]
async fn rates_are_set_and_shown() {
    let api = Api::start().await;
    api.rates("/chat").await.is(404, "rate_not_found");
    api.rates("/chat/versions").await.is(404, "rate_not_found");
    let made = api.put_rate("chat", json!({"units": tokens("2.50", "10")})).await;
    let address = made.header("location").expect("an address").to_owned();
    assert_eq!((made.status, address.as_str()), (StatusCode::CREATED, "/v1/rates/chat/versions/1"));
    let body = json!({"resource": "chat", "version": 1, "effective_at": "2026-03-01T12:00:00Z",
                      "units": tokens("2.5", "10"), "actor": "client:shop", "recorded_at": "2026-03-01T12:00:00Z"});
    assert_eq!(made.body, body);
    let again = api.put_rate("chat", json!({"units": tokens("2.5", "10.0")})).await;
    assert_eq!((again.status, &again.body, again.header("location")), (StatusCode::OK, &body, None));
    assert_eq!(api.rates(address.trim_start_matches("/v1/rates")).await.body, body);
    let next = json!({"effective_at": "2026-04-01T02:00:00+02:00", "units": tokens("3", "12")});
    let next = api.put_rate("chat", next).await;
    assert_eq!(next.body["effective_at"], "2026-04-01T00:00:00Z");
    let standing = json!({"resource": "chat", "in_force": body, "scheduled": [next.body]});
    assert_eq!(api.rates("/chat").await.body, standing);
    // `per` is 1 unless it is said; names are written as paths write them.
    let other = api.put_rate("a%2Fb%20c", json!({"units": {"hours": {"credits": "100"}}})).await;
    assert_eq!(other.body["units"], json!({"hours": {"credits": "100", "per": 1}}));
    assert_eq!(other.header("location"), Some("/v1/rates/a%2Fb%20c/versions/1"));
    let page = api.rates("?limit=1").await;
    assert_eq!(page.body["data"][0]["resource"], "a/b c");
    let cursor = page.body["next_cursor"].as_str().expect("more").to_owned();
    let rest = api.rates(&format!("?cursor={cursor}")).await;
    assert_eq!(rest.body, json!({"data": [standing], "next_cursor": null}));
    let page = api.rates("/chat/versions?limit=1").await;
    assert_eq!(page.body["data"], json!([next.body]));
    let cursor = page.body["next_cursor"].as_str().expect("more").to_owned();
    assert_eq!(api.rates(&format!("/chat/versions?cursor={cursor}")).await.body["data"], json!([body]));
    for unknown in ["0", "3", "-1", "one", "99999999999999999999"] {
        api.rates(&format!("/chat/versions/{unknown}")).await.is(404, "rate_not_found");
    }
    api.rates("?cursor=!").await.is(400, "invalid_request");
    api.stop().await;
}

#[tokio::test]
async fn a_rate_that_cannot_be_is_refused() {
    let api = Api::start().await;
    for (wrong, places) in [
        (json!({"a": {"credits": 2.5}}), &[("/units/a/credits", "invalid_value")][..]),
        (json!({"a": {"credits": 3}}), &[("/units/a/credits", "invalid_value")]),
        (json!({"a": {"credits": "-1"}}), &[("/units/a/credits", "invalid_value")]),
        (json!({"a": {"credits": "1e9"}}), &[("/units/a/credits", "invalid_value")]),
        (json!({"a": {"credits": "0.0000000001"}}), &[("/units/a/credits", "invalid_value")]),
        (json!({"a": {"credits": "1", "per": -1}}), &[("/units/a/per", "invalid_value")]),
        (json!({"a": {"credits": "1", "pre": 1}}), &[("/units/a/pre", "invalid_value")]),
        (
            json!({"A": {"credits": "1"}, "a/b": {"credits": "1"}, "b": {"credits": "1", "per": 0}}),
            &[
                ("/units/A", "invalid_unit"),
                ("/units/a~1b", "invalid_unit"),
                ("/units/b/per", "out_of_range"),
            ],
        ),
        (
            json!({"a": {"credits": "1", "per": 999_999_999_989_i64}, "b": {"credits": "1", "per": 1_000}}),
            &[("/units", "no_common_multiple")],
        ),
    ] {
        api.put_rate("chat", json!({"units": wrong})).await.is_wrong_at(places);
    }
    let number = api.put_rate("chat", json!({"units": {"a": {"credits": 2.5}}})).await;
    let detail = number.body["detail"].as_str().expect("text");
    assert!(detail.contains("a decimal in a string, such as \"2.5\""), "{detail}");
    let many: serde_json::Map<_, _> = (0..21).map(|i| (format!("u{i}"), json!({"credits": "1"}))).collect();
    api.put_rate("chat", json!({"units": many})).await.is_wrong_at(&[("/units", "out_of_range")]);
    let past = json!({"units": {}, "effective_at": "2026-03-01T11:59:59Z"});
    api.put_rate("chat", past).await.is_wrong_at(&[("/effective_at", "in_the_past")]);
    api.put_rate("a%0Ab", json!({"units": {}})).await.is_wrong_at(&[("", "invalid_resource")]);
    api.put_rate(&"x".repeat(101), json!({"units": {}})).await.is_wrong_at(&[("", "invalid_resource")]);
    assert_eq!(api.rates("").await.body, json!({"data": [], "next_cursor": null}));
    api.stop().await;
}

#[tokio::test]
async fn units_are_quoted() {
    let api = Api::start().await;
    let order = json!({"resource": "chat", "units": {"input_tokens": 1234, "output_tokens": 929}});
    api.quote(order.clone()).await.is(409, "no_rate");
    api.put_rate("chat", json!({"units": tokens("2.5", "10")})).await;
    let later = "2026-03-02T00:00:00Z";
    api.put_rate(
        "chat",
        json!({"units": {"input_tokens": {"credits": "1", "per": 3}}, "effective_at": later}),
    )
    .await;
    let quoted = api.quote(order).await;
    let line = |unit: &str, quantity: i64, credits: &str, exact: &str| json!({"unit": unit, "quantity": quantity, "rate": {"credits": credits, "per": 1000}, "exact": exact});
    let lines = [line("input_tokens", 1234, "2.5", "3.085"), line("output_tokens", 929, "10", "9.29")];
    let expected =
        json!({"resource": "chat", "rate_version": 1, "credits": 13, "exact": "12.375", "lines": lines});
    assert_eq!(quoted.body, expected);
    let of = |units: Value| json!({"resource": "chat", "units": units, "at": later});
    let quoted = api.quote(of(json!({"input_tokens": 37}))).await;
    assert_eq!(
        [&quoted.body["exact"], &quoted.body["credits"], &quoted.body["rate_version"]],
        [&json!("37/3"), &json!(13), &json!(2)]
    );
    api.quote(of(json!({"output_tokens": 1}))).await.is_wrong_at(&[("/units/output_tokens", "unknown_unit")]);
    api.quote(of(json!({}))).await.is_wrong_at(&[("/units", "out_of_range")]);
    api.quote(of(json!({"input_tokens": 1.5})))
        .await
        .is_wrong_at(&[("/units/input_tokens", "invalid_value")]);
    let before = json!({"resource": "chat", "units": {"input_tokens": 1}, "at": "2026-02-01T00:00:00Z"});
    api.quote(before).await.is(409, "no_rate");
    // Nobody's account was looked at, and none was made.
    api.get("").await.is(404, "account_not_found");
    api.stop().await;
}

#[tokio::test]
async fn units_are_spent_held_and_captured() {
    let api = Api::start().await;
    api.post("/allocations", "a", json!({"credits": 100})).await;
    api.put_rate("chat", json!({"units": tokens("2.5", "10")})).await;
    let order = json!({"units": {"input_tokens": 1234, "output_tokens": 929}, "resource": "chat"});
    let spent = api.post("/usage", "u1", order.clone()).await;
    assert_eq!(spent.status, StatusCode::CREATED, "{}", spent.body);
    let usage = &spent.body["usage"];
    assert_eq!(
        [&usage["credits"], &usage["rate_version"], &usage["units"]],
        [&json!(13), &json!(1), &order["units"]]
    );
    assert_eq!(&api.get(&format!("/usage/{}", spent.id("usage"))).await.body, usage);
    let to_hold = json!({"units": {"output_tokens": 4000}, "resource": "chat", "expires_in": 60});
    let held = api.post("/reservations", "h1", to_hold.clone()).await;
    let reservation = &held.body["reservation"];
    assert_eq!([&reservation["credits"], &reservation["rate_version"]], [&json!(40), &json!(1)]);
    assert_eq!(&api.get(&format!("/reservations/{}", held.id("reservation"))).await.body, reservation);

    // The price of output goes up, and input has none any more.
    api.put_rate("chat", json!({"units": {"output_tokens": {"credits": "12", "per": 1000}}})).await;
    for (path, key, body, first) in
        [("/usage", "u1", &order, &spent), ("/reservations", "h1", &to_hold, &held)]
    {
        let again = api.post(path, key, body.clone()).await;
        assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &first.body));
    }
    api.post("/usage", "u2", order).await.is_wrong_at(&[("/units/input_tokens", "unknown_unit")]);
    let capture = format!("/reservations/{}/capture", held.id("reservation"));
    let captured = api.post(&capture, "c1", json!({"units": {"output_tokens": 3001}})).await;
    let usage = &captured.body["usage"];
    assert_eq!([&usage["credits"], &usage["rate_version"]], [&json!(37), &json!(2)], "{}", captured.body);
    assert_eq!(captured.body["balance"]["available"], 50);
    let other = json!({"units": {"output_tokens": 3002}});
    api.post(&capture, "c1", other).await.is(422, "idempotency_key_reused");
    api.stop().await;
}

#[tokio::test]
async fn a_cost_that_is_not_clear_is_refused() {
    let api = Api::start().await;
    api.put_rate("chat", json!({"units": {"tokens": {"credits": "9007199254740991"}}})).await;
    api.put_rate("gone", json!({"units": {}})).await;
    let units = json!({"tokens": 1});
    let one_of = ("/credits", "choose_one");
    for (body, places) in [
        (json!({"resource": "chat"}), &[one_of][..]),
        (json!({"credits": 1, "units": units, "resource": "chat"}), &[one_of]),
        (json!({"credits": 0}), &[("/credits", "out_of_range")]),
        (json!({"units": units}), &[("/resource", "required")]),
        (json!({"units": {"Tokens": 1}}), &[("/units/Tokens", "invalid_unit"), ("/resource", "required")]),
        (json!({"units": {"tokens": 1_u64 << 53}, "resource": "chat"}), &[("/units/tokens", "out_of_range")]),
        (json!({"units": {"tokens": -1}, "resource": "chat"}), &[("/units/tokens", "invalid_value")]),
        (json!({"units": {"tokens": 2}, "resource": "chat"}), &[("/units", "out_of_range")]),
    ] {
        api.post("/usage", "u", body.clone()).await.is_wrong_at(places);
        let mut held = body;
        held["expires_in"] = json!(60);
        api.post("/reservations", "h", held).await.is_wrong_at(places);
    }
    for resource in ["gone", "never"] {
        api.post("/usage", "u", json!({"units": units, "resource": resource})).await.is(409, "no_rate");
    }
    api.post("/allocations", "a", json!({"credits": 9})).await;
    let held = api.post("/reservations", "h", json!({"credits": 1, "expires_in": 60})).await;
    let capture = format!("/reservations/{}/capture", held.id("reservation"));
    api.post(&capture, "c", json!({"credits": 1, "units": units})).await.is_wrong_at(&[one_of]);
    api.post(&capture, "c", json!({"units": units})).await.is(409, "no_resource");
    let nowhere = "/reservations/01980000-0000-7000-8000-000000000000/capture";
    api.post(nowhere, "c", json!({"units": units})).await.is(404, "reservation_not_found");
    api.stop().await;
}
