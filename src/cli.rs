//! The command line: what can be run, and with which settings.

use std::path::PathBuf;

use accrue_accounting::config::AccountingArgs;
use accrue_auth::config::AuthArgs;
use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;

use crate::admin::AdminArgs;
use crate::audit::AuditArgs;
use crate::broker::BrokerArgs;
use crate::dlq::DlqArgs;
use crate::reconcile::ReconcileArgs;
use crate::replay::ReplayArgs;
use crate::traces::TracesArgs;

/// Sign-up and prepaid credits as two services that never lose or double a credit.
///
/// Without a command both services run in this process, on SQLite files and an
/// embedded broker, and need nothing else. Each setting can be a flag or the
/// environment variable named beside it. Logs go to standard error; `RUST_LOG` sets
/// what is told.
#[derive(Debug, Parser)]
#[command(name = "accrue", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) all_in_one: AllInOneArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service that keeps users
    Auth(Box<AuthCommand>),
    /// Run the service that keeps credits
    Accounting(AccountingCommand),
    /// Show the whole story end to end; exit with 0 only if every step of it held
    Demo(DemoArgs),
    /// Make users and clients, rotate keys, in auth's database
    Admin(AdminArgs),
    /// Compare every balance with the entries it comes from, and every entry with its hash: exit with
    /// 0 if all of it agrees, 1 if not, 2 if the settings are wrong, 3 if it could not be read
    Audit(AuditArgs),
    /// Have auth publish the present state of users once more, for a consumer that is new or was
    /// restored from a backup: exit with 0 if all of them wait in its outbox, 1 if some do not, 2 if the
    /// database cannot be opened, 3 if it was broken off
    Replay(ReplayArgs),
    /// Compare the users of both services, and repair where they disagree if told to: exit with 0 if
    /// they agree by now, 1 if not, 2 if the settings are wrong, 3 if not everybody could be looked at
    Reconcile(ReconcileArgs),
    /// Look at the events that were given up on, send them back or drop them: exit with 0 if it is
    /// done, 1 if something was not found or not sent, 2 if the settings are wrong, 3 if the broker is
    /// out of reach
    Dlq(DlqArgs),
    /// Bring the schema of the databases named up to date, and exit
    Migrate(MigrateArgs),
    /// Ask services whether they are ready: exit with 0 if they are, 1 if not
    Health(HealthArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AllInOneArgs {
    /// Where the SQLite files are kept that are not named by a URL.
    #[arg(long, env = "ACCRUE_DATA_DIR", default_value = "data", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) auth: AuthArgs,
    #[command(flatten)]
    pub(crate) accounting: AccountingArgs,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    #[command(flatten)]
    pub(crate) traces: TracesArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AuthCommand {
    /// Where the file `keys` is kept, if `AUTH_KEY_ENCRYPTION_KEYS` is not set
    #[arg(long, env = "ACCRUE_DATA_DIR", default_value = "data", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) auth: AuthArgs,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    #[command(flatten)]
    pub(crate) traces: TracesArgs,
    /// Leave the database's schema as it is.
    #[arg(long)]
    pub(crate) no_migrate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AccountingCommand {
    #[command(flatten)]
    pub(crate) accounting: AccountingArgs,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    #[command(flatten)]
    pub(crate) traces: TracesArgs,
    /// Leave the database's schema as it is.
    #[arg(long)]
    pub(crate) no_migrate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the files here, and leave them; without it they go to a temporary directory.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["auth_url", "accounting_url"])]
    pub(crate) data_dir: Option<PathBuf>,
    /// Show it on a running auth, such as `http://127.0.0.1:8001`
    #[arg(long, value_name = "URL", requires_all = ["accounting_url", "client_id", "client_secret"])]
    pub(crate) auth_url: Option<url::Url>,
    /// Show it on a running accounting, such as `http://127.0.0.1:8002`
    #[arg(long, value_name = "URL", requires = "auth_url")]
    pub(crate) accounting_url: Option<url::Url>,
    /// A client of that auth with the scopes `credits:write` and `accounts:read`: `accrue admin
    /// create-client` makes one
    #[arg(long, env = "ACCRUE_DEMO_CLIENT_ID", value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Its secret; better given by the environment, as others on the machine can read flags
    #[arg(long, env = "ACCRUE_DEMO_CLIENT_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub(crate) client_secret: Option<SecretString>,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// The data directory of an `accrue` that runs everything, if no URL is given
    #[arg(long, env = "ACCRUE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) auth: accrue_auth::config::DatabaseArgs,
    #[command(flatten)]
    pub(crate) accounting: accrue_accounting::config::DatabaseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// The services to ask, such as `http://127.0.0.1:8001`; a path is asked for in place of
    /// `/healthz/ready`. Without any, both services on this machine are asked, and one of them is
    /// enough, for images that run the one or the other
    #[arg(long, value_name = "URL")]
    pub(crate) url: Vec<url::Url>,
}
