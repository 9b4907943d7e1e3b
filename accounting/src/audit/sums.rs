//! One account as its rows go by: the chain, the running sums, and what it should say.

use time::OffsetDateTime;

use super::anchor::Head;
use super::finding::{Finding, Place};
use crate::ledger::chain::{self, Digest, Made};
use crate::ledger::{Account, AccountStatus, Entry, EntryKind, Welcome};

/// Findings that are kept of one account, and of rows that belong to none. What is wrong
/// with every entry of a long account must not fill the memory.
pub(super) const FINDINGS: usize = 100;

/// An account that is being gone through.
pub(super) struct Sums {
    pub(super) user_id: String,
    pub(super) account: Option<Account>,
    last_seq: i64,
    /// What the entry before is stored with, and what it should have been.
    previous: Option<[Digest; 2]>,
    balance: i128,
    reserved: i128,
    last_at: Option<OffsetDateTime>,
    welcomes: u32,
    /// Of its allocations and reservations.
    pub(super) remaining: i128,
    pub(super) held: i128,
    pub(super) pending: i128,
    soonest: Option<OffsetDateTime>,
    /// What was kept elsewhere of it, and whether that entry has gone by.
    pub(super) anchor: Option<Head>,
    is_anchor_met: bool,
    pub(super) findings: Vec<Finding>,
    /// How many there were besides.
    untold: u64,
}

impl Sums {
    pub(super) fn new(user_id: String, account: Option<Account>) -> Self {
        let previous = Some([chain::first(&user_id); 2]);
        Self {
            user_id,
            account,
            last_seq: 0,
            previous,
            balance: 0,
            reserved: 0,
            last_at: None,
            welcomes: 0,
            remaining: 0,
            held: 0,
            pending: 0,
            soonest: None,
            anchor: None,
            is_anchor_met: false,
            findings: Vec::new(),
            untold: 0,
        }
    }

    /// Notes what is the matter.
    pub(super) fn find(&mut self, place: Place, what: String) {
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding { user_id: self.user_id.clone(), place, what });
        } else {
            self.untold += 1;
        }
    }

    /// Takes out what was found, and of how much more nothing is kept.
    pub(super) fn take_findings(&mut self) -> Vec<Finding> {
        let mut findings = std::mem::take(&mut self.findings);
        if self.untold > 0 {
            let what = format!("and {} more findings on it, of which none is told", self.untold);
            findings.push(Finding { user_id: self.user_id.clone(), place: Place::Account, what });
        }
        findings
    }

    /// That `is` what it should be.
    pub(super) fn expect<T: PartialEq + std::fmt::Debug>(
        &mut self,
        place: Place,
        name: &str,
        (is, should_be): (T, T),
    ) {
        if is != should_be {
            self.find(place, format!("{name} is {is:?}, should be {should_be:?}"));
        }
    }

    /// Something falls due at `at`.
    pub(super) fn note_due(&mut self, at: Option<OffsetDateTime>) {
        self.soonest = self.soonest.into_iter().chain(at).min();
    }

    /// An entry that cannot be read. The sums go on from the next one.
    pub(super) fn unreadable(&mut self, seq: i64, why: &str) {
        self.find(Place::Entry(seq), format!("cannot be read: {why}"));
        self.last_seq = seq;
        self.previous = None;
    }

    /// The next entry, with what it made as far as that is there.
    pub(super) fn entry(&mut self, entry: &Entry, made: &[Made<'_>]) {
        let place = Place::Entry(entry.seq);
        if entry.seq != self.last_seq + 1 {
            self.find(place, format!("follows entry {}: entries are missing", self.last_seq));
        }
        self.chain(entry, made);
        let moved: i128 =
            entry.draws.iter().map(|one| i128::from(one.remaining) + i128::from(one.reserved)).sum();
        let held: i128 = entry.draws.iter().map(|one| i128::from(one.reserved)).sum();
        self.expect(place, "credits", (i128::from(entry.credits), moved));
        let balance = (i128::from(entry.balance_after), self.balance + i128::from(entry.credits));
        self.expect(place, "balance_after", balance);
        self.expect(place, "reserved_after", (i128::from(entry.reserved_after), self.reserved + held));
        if self.last_at.is_some_and(|last| entry.recorded_at < last) {
            self.find(place, "recorded_at is before that of the entry before".to_owned());
        }
        // What is wrong is told once: the next entry is measured by this one.
        self.balance = entry.balance_after.into();
        self.reserved = entry.reserved_after.into();
        self.last_seq = entry.seq;
        self.last_at = Some(entry.recorded_at);
        self.welcomes += u32::from(entry.kind == EntryKind::Welcome);
    }

    fn chain(&mut self, entry: &Entry, made: &[Made<'_>]) {
        let place = Place::Entry(entry.seq);
        let seal = &entry.seal;
        let mut right = seal.hash;
        if let Some(head) = self.anchor.as_ref().filter(|head| head.seq == entry.seq) {
            self.is_anchor_met = true;
            if head.hash != chain::hex(&seal.hash) {
                let what = format!("hash is {}, but the anchor has {}", chain::hex(&seal.hash), head.hash);
                self.find(place, what);
            }
        }
        if let Some(before) = self.previous {
            let possible = before.map(|before| chain::hash(&self.user_id, &before, entry));
            if !possible.contains(&seal.hash) {
                let (is, should_be) = (chain::hex(&seal.hash), chain::hex(&possible[0]));
                self.find(place, format!("hash is {is}, but what it says hashes to {should_be}"));
                right = possible[0];
            }
        }
        self.previous = Some([seal.hash, right]);
        if chain::made_digest(made) != seal.made_digest {
            let what = "what it made is missing, or is not what it was: see what it refers to and draws on";
            self.find(place, what.to_owned());
        } else if !chain::matches_texts(seal, entry.reason.as_deref(), made) {
            let what = "its free text, or that of what it made, is not what it was, nor erased with its salt";
            self.find(place, what.to_owned());
        }
    }

    /// That the account's row says what its other rows do. Once all of them have gone by.
    pub(super) fn close(&mut self) {
        let place = Place::Account;
        if let Some(head) = self.anchor.as_ref().filter(|head| head.seq > 0 && !self.is_anchor_met) {
            let what = format!("the anchor has its entry {}, which is not there", head.seq);
            self.find(place, what);
        }
        let Some(account) = self.account.clone() else { return };
        let (available, reserved) = (i128::from(account.available), i128::from(account.reserved));
        self.expect(place, "available", (available, self.balance - self.reserved));
        self.expect(place, "reserved", (reserved, self.reserved));
        self.expect(place, "last_seq", (account.last_seq, self.last_seq));
        self.expect(place, "last_entry_at", (account.last_entry_at, self.last_at));
        let head = self.previous.filter(|_| self.last_seq > 0).map(|[stored, _]| chain::hex(&stored));
        let is = account.chain_head.map(|head| chain::hex(&head));
        self.expect(place, "chain_head", (is, head));
        self.expect(place, "what its allocations have left", (self.remaining, available));
        self.expect(place, "what its reservations hold", (self.held, reserved));
        self.expect(place, "pending", (i128::from(account.pending), self.pending));
        self.expect(
            place,
            "welcome credits",
            (self.welcomes, u32::from(account.welcome == Welcome::Granted)),
        );
        if let Some(soonest) = self.soonest.filter(|at| account.next_due_at.is_none_or(|next| next > *at)) {
            let is = account.next_due_at;
            self.find(place, format!("next_due_at is {is:?}, but something falls due at {soonest}"));
        }
        let personal = [&account.email, &account.username, &account.display_name];
        if account.status == AccountStatus::Closed && personal.iter().any(|text| text.is_some()) {
            self.find(place, "is closed, and still holds personal data".to_owned());
        }
    }

    /// Where its chain ends, to be kept elsewhere.
    pub(super) fn head(&self) -> Head {
        let [hash, _] = self.previous.unwrap_or_default();
        Head { user_id: self.user_id.clone(), seq: self.last_seq, hash: chain::hex(&hash) }
    }
}
