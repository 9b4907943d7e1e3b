//! Clients: made, found, given another secret, deleted.

use accrue_auth::domain::Client;
use accrue_chassis::clock::Clock as _;
use accrue_chassis::tokens::Scopes;

use crate::place::{Place, now};

pub(crate) async fn a_client_is_found_as_it_was_written(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let new =
        |name| Client::new(name, Scopes::parse("usage:write credits:write"), clock.now()).expect("one").0;
    let (shop, till) = (new("shop"), new("till"));
    for client in [&shop, &till] {
        store.create_client(client).await.expect("written");
        assert_eq!(store.client(&client.client_id).await.expect("an answer").as_ref(), Some(client));
    }
    assert_eq!(store.clients().await.expect("an answer"), [shop.clone(), till.clone()]);
    assert_eq!(store.client("nobody").await.expect("an answer"), None);
    assert!(store.delete_client(&shop.client_id).await.expect("an answer"));
    assert!(!store.delete_client(&shop.client_id).await.expect("an answer"));
    assert_eq!(store.clients().await.expect("an answer"), [till]);
}

pub(crate) async fn secrets_are_replaced_only_as_they_were_read(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let (client, _) = Client::new("shop", Scopes::parse("usage:write"), clock.now()).expect("a client");
    store.create_client(&client).await.expect("written");
    let (mine, _) = client.with_new_secret();
    let (theirs, _) = client.with_new_secret();
    let replace =
        async |from, to| store.replace_secrets(&client.client_id, from, to).await.expect("an answer");
    assert!(replace(&client.secrets, &mine).await);
    assert!(!replace(&client.secrets, &theirs).await, "another was faster");
    let found = store.client(&client.client_id).await.expect("an answer").expect("the client");
    assert_eq!(found.secrets, mine);
    assert!(!store.replace_secrets("nobody", &mine, &theirs).await.expect("an answer"));
}
