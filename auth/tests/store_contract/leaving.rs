//! Admins who leave: however many do so at once, one stays.

use std::sync::Arc;

use accrue_auth::domain::{Edit, EmailAddress, NewUser, Profile, Role, Roles, User};
use accrue_auth::store::{AuthStore, Changed, Registration, UserFilter};
use accrue_chassis::clock::{Clock as _, ManualClock};
use accrue_events::user::UserStatus;
use futures_util::future::join_all;

use crate::place::{Place, now};

const ADMINS: usize = 3;
const ROUNDS: usize = 25;

async fn new_admin(store: &dyn AuthStore, clock: &Arc<ManualClock>, name: &str) -> User {
    let email = EmailAddress::parse(&format!("{name}@example.com")).expect("an address");
    let profile = Profile { roles: [Role::Admin].into_iter().collect(), ..Profile::of(email) };
    let new = NewUser::new(store.new_user_id(), profile, None, clock.now(), None);
    match store.register(new).await.expect("a store that works") {
        Registration::Registered(user) => user,
        other => panic!("not registered: {other:?}"),
    }
}

async fn admins(store: &dyn AuthStore) -> Vec<User> {
    let acting = UserFilter { status: Some(UserStatus::Active), role: Some(Role::Admin) };
    store.list(&acting, None, 100).await.expect("a store that works")
}

fn leaves(user: &User, way: usize) -> Edit {
    let edit = Edit::of(user);
    match way % 3 {
        0 => edit.roles([Role::Supervisor].into_iter().collect()),
        1 => edit.deactivate(),
        _ => edit.erase(),
    }
}

pub(crate) async fn of_all_admins_who_leave_at_once_one_stays(place: &Place) {
    let clock = now();
    let stores = [place.store(&clock).await, place.store(&clock).await];
    for round in 0..ROUNDS {
        let mut all = admins(&*stores[0]).await;
        for index in all.len()..ADMINS {
            all.push(new_admin(&*stores[0], &clock, &format!("admin-{round}-{index}")).await);
        }
        let leaving = all.iter().enumerate().map(|(index, user)| {
            let change = leaves(user, round + index).at(clock.now(), None);
            stores[index % 2].change(change)
        });
        let mut left = 0;
        for changed in join_all(leaving).await {
            match changed.expect("a store that works") {
                Changed::Done(user) => {
                    assert!(!user.is_acting_admin());
                    left += 1;
                }
                Changed::LastAdmin => {}
                other => panic!("no such outcome: {other:?}"),
            }
        }
        let stayed = admins(&*stores[1]).await.len();
        assert!((1..ADMINS).contains(&stayed), "round {round}: {left} left, {stayed} stayed");
        assert_eq!(left + stayed, ADMINS, "round {round}");
    }
}

pub(crate) async fn the_last_admin_does_not_leave_in_any_way(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let ada = new_admin(&*store, &clock, "ada").await;
    let ida = new_admin(&*store, &clock, "ida").await;
    // Who is shut out is no admin who stays, and goes whenever they like.
    let change = Edit::of(&ida).deactivate().at(clock.now(), None);
    let Ok(Changed::Done(ida)) = store.change(change).await else { panic!("not changed") };
    for way in 0..3 {
        let changed = store.change(leaves(&ada, way).at(clock.now(), None)).await;
        assert!(matches!(changed, Ok(Changed::LastAdmin)), "{changed:?}");
    }
    let kept = store.user(&ada.user_id).await.expect("an answer").expect("the user");
    assert_eq!((kept.version, admins(&*store).await.len()), (ada.version, 1));
    let change = Edit::of(&ida).roles(Roles::none()).at(clock.now(), None);
    assert!(matches!(store.change(change).await, Ok(Changed::Done(_))));
    // What is no leaving is not asked about.
    let change = Edit::of(&ada).verify_email().at(clock.now(), None);
    assert!(matches!(store.change(change).await, Ok(Changed::Done(_))));
    // At another version it is decided anew, and not refused for good.
    let stale = store.change(leaves(&ada, 0).at(clock.now(), None)).await;
    assert!(matches!(stale, Ok(Changed::Stale)), "{stale:?}");
}
