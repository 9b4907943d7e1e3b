//! What the all-in-one says once it serves: where everything is, and what to try.

use std::path::Path;

use accrue_auth::mail::Delivery;

use crate::all_in_one::{Running, Settings};

/// Says it. The lines work when pasted one after the other into one shell, again and
/// again, and after a restart: names and keys are new each time.
pub(crate) fn greet(settings: &Settings, running: &Running) {
    let (auth, accounting) = (running.auth.address, running.accounting);
    let tag = uuid::Uuid::new_v4().simple().to_string();
    let tag = &tag[..8];
    let mail = match &settings.auth.mail.delivery {
        Some(Delivery::Directory(path)) => {
            format!("is written to {}: there is no mail server", path.display())
        }
        _ => "goes to the mail server".to_owned(),
    };
    let program = std::env::current_exe().map_or_else(|_| "accrue".to_owned(), |path| quoted(&path));
    let directory = std::path::absolute(settings.data_dir.path());
    let directory = quoted(directory.as_deref().unwrap_or(settings.data_dir.path()));
    println!(
        "accrue {} runs in one process, with its data in {}

  auth        http://{auth}
  accounting  http://{accounting}
  mail        {mail}

Paste these into another terminal:

# a client: a service of yours that may allocate credits and read accounts; then a token for it
eval \"$({program} admin create-client --data-dir {directory} --name shop --scope credits:write --scope accounts:read | sed 's/: /=/')\"
TOKEN=$(curl -sS http://{auth}/oauth2/token -u \"$client_id:$client_secret\" -d grant_type=client_credentials | grep -o '\"access_token\":\"[^\"]*' | cut -d'\"' -f4)

# somebody registers, and auth tells accounting
curl -sS http://{auth}/v1/users -H 'Idempotency-Key: sign-up-{tag}' -H 'Content-Type: application/json' -d '{{\"email\":\"ada-{tag}@example.com\",\"password\":\"correct horse {tag}\"}}'

# credits for a user that nobody knows yet: they wait on a placeholder
curl -sS http://{accounting}/v1/accounts/newcomer-{tag}/allocations -H \"Authorization: Bearer $TOKEN\" -H 'Idempotency-Key: first-{tag}' -H 'Content-Type: application/json' -d '{{\"credits\":100}}'

# accounting knows who registered
curl -sS 'http://{accounting}/v1/accounts?email=ada-{tag}@example.com' -H \"Authorization: Bearer $TOKEN\"

Ctrl-C stops it; everything is still there at the next start.",
        env!("CARGO_PKG_VERSION"),
        settings.data_dir.path().display(),
    );
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
