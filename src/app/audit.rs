//! Forgetting who did what, when it has been kept for long enough.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::orders::{Desk, Unanswered};
use crate::spaces::command::{By, Command, Done, Request};

/// How often it is looked whether something is to be forgotten.
const EACH: Duration = Duration::from_secs(3600);

/// How long it is left be where too many ask the writer for something else.
const BUSY: Duration = Duration::from_secs(60);

const MILLIS_PER_DAY: i64 = 24 * 3600 * 1_000;

/// Has the writer forget what is older than so many days, until it is told to stop or the writer is gone.
pub(super) async fn retain(desk: Desk, days: u64, stop: CancellationToken) {
    let kept = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(MILLIS_PER_DAY);
    loop {
        let since = Timestamp::now().as_millisecond().saturating_sub(kept);
        let request = Request { by: By::Operator, command: Command::Retain { since } };
        let wait = match desk.ask(request).await {
            Ok(Ok(Done::Swept { count, next })) => {
                if count > 0 {
                    tracing::info!(entries = count, days, "forgot who did what so long ago");
                }
                // A moment for others between two batches.
                if next.is_some() { Duration::from_millis(50) } else { EACH }
            }
            Ok(_) => EACH,
            Err(Unanswered::Full) => BUSY,
            Err(Unanswered::Gone) => return,
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::retain;
    use crate::orders::{Order, desk};
    use crate::spaces::command::{By, Command, Done, Request};

    #[tokio::test(start_paused = true)]
    async fn goes_on_after_too_many_asked_for_something_else() {
        let (desk, orders) = desk();
        let admit = || Request { by: By::Operator, command: Command::Admit };
        let place = |desk: &crate::orders::Desk| {
            let desk = desk.clone();
            tokio::spawn(async move { desk.ask(admit()).await })
        };
        let mut others = Vec::new();
        while !orders.channel().is_full() {
            others.push(place(&desk));
            tokio::task::yield_now().await;
        }
        let retaining = tokio::spawn(retain(desk, 1, CancellationToken::new()));
        tokio::task::yield_now().await;
        let is_retain = |order: &Order| matches!(order.request.command, Command::Retain { .. });
        let waiting = || orders.channel().try_iter().flatten();
        assert!(!waiting().any(|order| is_retain(&order)), "there was no room for it");
        // Twice: it goes on after that as before.
        for _ in 0..2 {
            tokio::time::sleep(super::EACH + super::BUSY).await;
            let order = waiting().find(is_retain).expect("it asks again");
            order.answer(Ok(Done::Swept { count: 0, next: None }));
        }
        drop(orders);
        tokio::time::timeout(super::EACH * 2, retaining).await.unwrap().unwrap();
    }
}
