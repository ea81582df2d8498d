//! `warmledger config`

use std::process::ExitCode;

use clap::Args;

use super::output;
use crate::settings::{self, EffectiveSetting, Settings};

/// The arguments of `warmledger config`.
#[derive(Args)]
#[command(after_help = "\
Secrets are never shown: only whether they are set, or which file they are read from.

Examples:
  warmledger config
  warmledger config --example > warmledger.toml
  WARMLEDGER_LISTEN=0.0.0.0:80 warmledger config --json | jq '.[] | select(.origin != \"default\")'")]
pub struct ConfigArgs {
    /// Print a JSON array of {key, value, origin, from} instead of a table
    #[arg(long)]
    pub json: bool,
    /// Print a settings file that says what every setting does, all of them commented out
    #[arg(long, conflicts_with = "json")]
    pub example: bool,
}

/// Prints the settings in effect.
///
/// # Errors
/// If stdout can't be written.
pub async fn run(args: ConfigArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let rows = settings.effective();
    if args.example {
        output::print(&settings::example())?
    } else if args.json {
        output::print_json(&rows)?
    } else {
        output::print(&table(&rows))?
    }
    Ok(ExitCode::SUCCESS)
}

fn table(rows: &[EffectiveSetting]) -> String {
    let cells: Vec<[String; 3]> = rows
        .iter()
        .map(|row| {
            let origin = row
                .from
                .as_ref()
                .map_or(row.origin.to_owned(), |from| format!("{} {from}", row.origin));
            [
                row.key.clone(),
                row.value.clone().unwrap_or_else(|| "(not set)".to_owned()),
                origin,
            ]
        })
        .collect();
    output::table(["key", "value", "origin"], &cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Flags;

    #[test]
    fn the_table_says_where_each_value_came_from() {
        let flags = Flags {
            listen: Some("127.0.0.1:1".to_owned()),
            ..Flags::default()
        };
        let text = table(
            &Settings::from_flags(&flags)
                .map(|settings| settings.effective())
                .expect("settings"),
        );
        let line = |key: &str| {
            text.lines()
                .find(|line| line.starts_with(key))
                .map(|l| l.split_whitespace().collect())
        };
        assert_eq!(line("listen"), Some(vec!["listen", "127.0.0.1:1", "flag", "--listen"]));
        assert_eq!(line("nats_url"), Some(vec!["nats_url", "(not", "set)", "default"]));
    }
}
