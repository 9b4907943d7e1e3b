//! `accrue admin`: what is done by hand, in auth's database: users, clients, keys.

mod clients;
mod keys;
mod opened;
mod users;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use accrue_auth::config::HashArgs;
use accrue_auth::domain::Role;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use self::opened::SealedStoreArgs;
pub(crate) use self::opened::{Opened, StoreArgs};

#[derive(Debug, Args)]
pub(crate) struct AdminArgs {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Make a user, such as the first administrator
    CreateUser(CreateUser),
    /// Make a client: a service that gets tokens in its own name. Its secret is shown once
    CreateClient(CreateClient),
    /// Give a client another secret; the one before stays good until the next time
    RotateClientSecret(NamedClient),
    /// Delete a client; its tokens are good until they expire
    DeleteClient(NamedClient),
    /// List the clients
    ListClients(StoreArgs),
    /// Add a signing key, which takes over six minutes later
    RotateKeys(RotateKeys),
    /// Encrypt signing keys and mail that waits under the first of the key-encryption keys
    RewrapKeys(SealedStoreArgs),
}

#[derive(Debug, Args)]
struct CreateUser {
    /// Their email address, which counts as verified
    #[arg(long)]
    email: String,
    /// Their name for signing in
    #[arg(long)]
    username: Option<String>,
    /// What to call them
    #[arg(long)]
    display_name: Option<String>,
    /// What they may do beyond what is their own
    #[arg(long, value_parser = role())]
    role: Vec<Role>,
    /// A file that holds their password, `-` for standard input; without it one is made up and shown
    #[arg(long, value_name = "PATH")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    hash: HashArgs,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
struct CreateClient {
    /// What to call it
    #[arg(long)]
    name: String,
    /// What its tokens may allow; several in one word with blanks between, or the flag again
    #[arg(long, required = true, value_delimiter = ' ', value_parser = scope())]
    scope: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
struct NamedClient {
    /// Which client
    client_id: String,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
struct RotateKeys {
    /// The key-encryption keys of the signing keys that are there are lost, and auth runs with
    /// these: add a signing key all the same. Nobody signs in before it takes over
    #[arg(long)]
    old_keys_are_lost: bool,
    #[command(flatten)]
    store: SealedStoreArgs,
}

/// The roles by their words, which help lists.
fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::word))
        .try_map(|word| Role::from_word(&word).ok_or("there is no such role"))
}

/// The scopes that a client can have, which help lists.
fn scope() -> PossibleValuesParser {
    PossibleValuesParser::new(Role::ALL.into_iter().flat_map(Role::scopes).collect::<BTreeSet<_>>())
}

pub(crate) async fn run(args: AdminArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        AdminCommand::CreateUser(args) => users::create(args).await?,
        AdminCommand::CreateClient(args) => clients::create(args).await?,
        AdminCommand::RotateClientSecret(args) => clients::rotate_secret(args).await?,
        AdminCommand::DeleteClient(args) => clients::delete(args).await?,
        AdminCommand::ListClients(args) => clients::list(args).await?,
        AdminCommand::RotateKeys(args) => keys::rotate(args).await?,
        AdminCommand::RewrapKeys(args) => keys::rewrap(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
