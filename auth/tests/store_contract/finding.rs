//! Finding users by their names, and listing them.

use accrue_auth::domain::{EmailAddress, LoginName, NewUser, Profile, Role, Username};
use accrue_auth::store::{AuthStore, Registration, UserFilter, UserPosition};
use accrue_chassis::clock::Clock as _;
use accrue_events::user::UserStatus;
use secrecy::ExposeSecret as _;

use crate::place::{Place, now, register};

fn profile(name: &str) -> Profile {
    let email = EmailAddress::parse(&format!("{name}@example.com")).expect("an address");
    Profile { username: Username::parse(name).ok(), ..Profile::of(email) }
}

fn new(store: &dyn AuthStore, profile: Profile) -> NewUser {
    let hash = Some(String::from("hash").into());
    NewUser::new(store.new_user_id(), profile, hash, now().now(), None)
}

pub(crate) async fn each_name_finds_its_user(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let roles = [Role::Admin].into_iter().collect();
    let new = new(&*store, Profile { roles, email_verified: true, ..profile("ada.l") });
    let user = new.user().clone();
    store.register(new).await.expect("registered");
    register(&*store, &clock, "ida").await;
    for name in ["ADA.L@example.com", "Ada.L"] {
        let name = LoginName::parse(name).expect("a name");
        let login = store.login(&name).await.expect("an answer").expect("the user");
        assert_eq!(login.user, user);
        assert_eq!(login.password_hash.expect("a hash").expose_secret(), "hash");
    }
    assert!(user.roles.contains(Role::Admin) && user.email_verified);
    assert_eq!(store.by_email(user.email.as_ref().expect("one")).await.expect("an answer"), Some(user));
    for name in ["ada@example.com", "ada"] {
        let name = LoginName::parse(name).expect("a name");
        assert!(store.login(&name).await.expect("an answer").is_none());
    }
}

pub(crate) async fn a_username_is_taken_once_and_may_be_missing(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    assert!(matches!(store.register(new(&*store, profile("ada"))).await, Ok(Registration::Registered(_))));
    let rival = Profile { username: Username::parse("ADA").ok(), ..profile("ida") };
    assert!(matches!(store.register(new(&*store, rival)).await, Ok(Registration::UsernameTaken)));
    for name in ["eda", "uda"] {
        register(&*store, &clock, name).await;
    }
}

pub(crate) async fn a_user_without_a_password_has_none(place: &Place) {
    let store = place.store(&now()).await;
    let new = NewUser::new(store.new_user_id(), profile("ada"), None, now().now(), None);
    let user_id = new.user().user_id.clone();
    store.register(new).await.expect("registered");
    let login = store.login_of(&user_id).await.expect("an answer").expect("the user");
    assert!(login.password_hash.is_none());
}

pub(crate) async fn users_are_listed_newest_first_page_by_page(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let mut expected = Vec::new();
    for name in ["ada", "ida", "eda", "uda", "oda"] {
        expected.push(register(&*store, &clock, name).await);
        // Two of them at the same moment.
        if name != "ida" {
            clock.advance(time::Duration::seconds(1));
        }
    }
    let (mut listed, mut after) = (Vec::new(), None::<UserPosition>);
    loop {
        let page = store.list(&UserFilter::default(), after.as_ref(), 2).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(UserPosition { created_at: last.created_at, user_id: last.user_id.clone() });
        listed.extend(page.into_iter().map(|user| user.user_id));
    }
    assert_eq!(listed.len(), 5);
    expected.reverse();
    assert_eq!((&listed[..2], &listed[4..]), (&expected[..2], &expected[4..]));
    assert_eq!(listed.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
}

pub(crate) async fn a_list_holds_only_what_passes_its_filter(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    for (name, roles) in [("ada", &[Role::Admin][..]), ("ida", &[]), ("eda", &Role::ALL[..])] {
        let roles = roles.iter().copied().collect();
        store.register(new(&*store, Profile { roles, ..profile(name) })).await.expect("registered");
    }
    let count = async |status, role| {
        let filter = UserFilter { status, role };
        store.list(&filter, None, 10).await.expect("a page").len()
    };
    assert_eq!(count(None, None).await, 3);
    assert_eq!(count(None, Some(Role::Admin)).await, 2);
    assert_eq!(count(Some(UserStatus::Active), Some(Role::Supervisor)).await, 1);
    assert_eq!(count(Some(UserStatus::Deactivated), None).await, 0);
}
