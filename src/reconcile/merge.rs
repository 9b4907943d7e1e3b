//! The merge-join of two lists in byte order, a page of each in memory.

use std::cmp::Ordering;
use std::vec::IntoIter;

use anyhow::ensure;

use super::finding::{AccountVersion, Pair, UserVersion};
use super::services::{Page, Services};

/// A row that the lists are in the order of.
pub(super) trait Keyed {
    fn user_id(&self) -> &str;
}

impl Keyed for UserVersion {
    fn user_id(&self) -> &str {
        &self.user_id
    }
}

impl Keyed for AccountVersion {
    fn user_id(&self) -> &str {
        &self.user_id
    }
}

/// One list, read page by page.
struct Side<T> {
    rows: IntoIter<T>,
    next: Option<T>,
    /// What the next page comes after.
    after: Option<String>,
    is_last: bool,
    /// The last id, to see that the order is kept: one that is not would make every other
    /// user look missing.
    last: Option<String>,
    pub(super) read: u64,
}

impl<T: Keyed> Side<T> {
    fn new() -> Self {
        Self { rows: Vec::new().into_iter(), next: None, after: None, is_last: false, last: None, read: 0 }
    }

    /// Whether a page must be fetched before `next` says what comes.
    fn is_dry(&self) -> bool {
        self.next.is_none() && !self.is_last
    }

    fn take_page(&mut self, page: Page<T>) {
        self.is_last = page.next_after.is_none();
        self.after = page.next_after;
        self.rows = page.data.into_iter();
    }

    fn advance(&mut self) -> anyhow::Result<()> {
        self.next = self.rows.next();
        if let Some(row) = &self.next {
            let user_id = row.user_id();
            let is_later = self.last.as_deref().is_none_or(|last| last.as_bytes() < user_id.as_bytes());
            ensure!(is_later, "a list is not in the order of its user ids: {user_id} comes too late");
            self.last = Some(user_id.to_owned());
            self.read += 1;
        }
        Ok(())
    }
}

/// Both lists side by side.
pub(super) struct Merge<'a> {
    services: &'a Services,
    users: Side<UserVersion>,
    accounts: Side<AccountVersion>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(services: &'a Services) -> Self {
        Self { services, users: Side::new(), accounts: Side::new() }
    }

    /// Users and accounts that were read so far.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.users.read, self.accounts.read)
    }

    /// The next user id that either side has, with what both have of it.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Pair>> {
        while self.users.is_dry() {
            if self.users.rows.len() == 0 {
                let page = self.services.users(self.users.after.as_deref()).await?;
                self.users.take_page(page);
            }
            self.users.advance()?;
        }
        while self.accounts.is_dry() {
            if self.accounts.rows.len() == 0 {
                let page = self.services.accounts(self.accounts.after.as_deref()).await?;
                self.accounts.take_page(page);
            }
            self.accounts.advance()?;
        }
        let order = match (&self.users.next, &self.accounts.next) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(user), Some(account)) => user.user_id.as_bytes().cmp(account.user_id.as_bytes()),
        };
        let user = if order.is_le() { take(&mut self.users)? } else { None };
        let account = if order.is_ge() { take(&mut self.accounts)? } else { None };
        let of_user = user.as_ref().map(|user| user.user_id.clone());
        let user_id = of_user.or_else(|| account.as_ref().map(|account| account.user_id.clone()));
        Ok(user_id.map(|user_id| Pair { user_id, user, account }))
    }
}

/// Takes the next row off a side; another page is fetched when it is asked for.
fn take<T: Keyed>(side: &mut Side<T>) -> anyhow::Result<Option<T>> {
    let taken = side.next.take();
    side.advance()?;
    Ok(taken)
}
