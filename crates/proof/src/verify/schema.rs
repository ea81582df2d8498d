//! Compares triggers, keys, tables and views with those that the migrations and the projections create.

use std::time::Duration;

use tokio::time::sleep;

use super::{Finding, FindingKind, Report};
use store::{Store, StoreError};

/// A generation may be created or dropped during the check: differences are checked so often, with such a pause.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_millis(300);

pub(super) async fn check(store: &dyn Store, report: &mut Report) -> Result<(), StoreError> {
    let mut checked = store.check_schema().await?;
    for _ in 1..LOOKS {
        if checked.faults.is_empty() {
            break;
        }
        sleep(PAUSE).await;
        let again = store.check_schema().await?;
        checked.faults.retain(|fault| again.faults.contains(fault));
    }
    if let Some(reason) = checked.unchecked {
        report.warnings.push(format!(
            "triggers, keys and tables were not compared with what the migrations make: {reason}; with PostgreSQL it takes a role that may \
             create a schema in the database"
        ));
    }
    report.add_all(checked.faults.into_iter().map(|fault| {
        let mut detail = fault.to_string();
        for (what, text) in [("there is", fault.found), ("made by", fault.remedy)] {
            if let Some(text) = text {
                detail += &format!("; {what}: {text}");
            }
        }
        Finding::new(FindingKind::Schema, None, detail)
    }));
    Ok(())
}
