//! What is remembered, and who looks.

use std::sync::Arc;
use std::time::Duration;

use super::{Cache, Editions, Peek, Times, Unknown, Wanted};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum No {
    Never,
    NotNow,
    Busy,
}

impl Unknown for No {
    fn holds(&self) -> Option<(Duration, Duration)> {
        (*self != No::Busy).then_some((MINUTE, 4 * MINUTE))
    }

    fn is_passing(&self) -> bool {
        *self != No::Never
    }
}

fn cache() -> Cache<u8, u32, No> {
    let times = Times { fresh: 10 * MINUTE, kept: 100 * MINUTE };
    Cache::new(10, times, Arc::<Editions>::default())
}

async fn get(cache: &Cache<u8, u32, No>, found: Result<u32, No>) -> Result<u32, No> {
    cache.get(&1, Wanted::Fresh, async || found).await.map(|known| known.value)
}

#[tokio::test(start_paused = true)]
async fn what_failed_in_passing_leaves_what_was_known_and_what_is_gone_does_not() {
    let cache = cache();
    assert_eq!(get(&cache, Ok(1)).await, Ok(1));
    tokio::time::advance(11 * MINUTE).await;
    assert!(matches!(cache.peek(&1), Peek::Stale(known) if known.value == 1));
    assert_eq!(get(&cache, Err(No::NotNow)).await, Ok(1));
    assert_eq!(get(&cache, Ok(2)).await, Ok(1), "not asked again yet");
    tokio::time::advance(MINUTE).await;
    assert_eq!(get(&cache, Err(No::Never)).await, Err(No::Never));
    assert!(matches!(cache.peek(&1), Peek::Failed));
    tokio::time::advance(4 * MINUTE).await;
    assert!(matches!(cache.peek(&1), Peek::Unknown));
    assert_eq!(get(&cache, Err(No::Busy)).await, Err(No::Busy));
    assert_eq!(get(&cache, Ok(3)).await, Ok(3), "that somebody was busy is not remembered");
}

#[tokio::test(start_paused = true)]
async fn a_newer_edition_is_looked_for_once_for_everybody() {
    let cache = cache();
    let first = cache.get(&1, Wanted::Fresh, async || Ok(1)).await.unwrap();
    let again =
        async |value| cache.get(&1, Wanted::After(first.edition), async move || Ok(value)).await.unwrap();
    let (one, other) = futures_util::future::join(again(2), again(3)).await;
    assert_eq!((one.value, one.edition), (other.value, other.edition));
    let failed = cache.get(&1, Wanted::After(one.edition), async || Err(No::NotNow)).await;
    assert_eq!(failed.map(|known| known.value), Err(No::NotNow), "what is old will not do");
    assert_eq!(cache.failure(&1), Some(No::NotNow));
    assert_eq!(get(&cache, Ok(9)).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn what_was_being_found_when_it_changed_is_old() {
    let cache = Arc::new(cache());
    let finding = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move {
            let slow = async || {
                tokio::time::sleep(MINUTE).await;
                Ok(1)
            };
            cache.get(&1, Wanted::Fresh, slow).await.map(|known| known.value)
        }
    });
    tokio::time::sleep(MINUTE / 2).await;
    assert_eq!(cache.forget(&1), None);
    assert_eq!(finding.await.unwrap(), Ok(1));
    assert!(matches!(cache.peek(&1), Peek::Stale(_)));
    assert_eq!(get(&cache, Ok(2)).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn what_is_found_unchanged_after_it_changed_counts_for_a_minute_once() {
    let cache = cache();
    assert_eq!(get(&cache, Ok(1)).await, Ok(1));
    let news = cache.editions.news();
    assert_eq!(cache.forget(&1), Some(1));
    assert!(cache.editions.news() > news);
    assert_eq!(get(&cache, Ok(1)).await, Ok(1));
    tokio::time::advance(MINUTE).await;
    assert_eq!(get(&cache, Ok(1)).await, Ok(1));
    tokio::time::advance(9 * MINUTE).await;
    assert!(matches!(cache.peek(&1), Peek::Fresh(_)));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_gives_up_is_followed_by_another() {
    let cache = cache();
    let stuck = cache.get(&1, Wanted::Fresh, async || {
        std::future::pending::<()>().await;
        unreachable!()
    });
    let waits = cache.get(&1, Wanted::Fresh, async || Ok(7));
    let leader = async { tokio::time::timeout(MINUTE, stuck).await.is_err() };
    let (gave_up, found) = futures_util::future::join(leader, waits).await;
    assert!(gave_up);
    assert_eq!(found.map(|known| known.value), Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_older_than_the_news_is_not_remembered() {
    let cache = cache();
    let looking = cache.get(&1, Wanted::Fresh, async || {
        tokio::time::sleep(MINUTE).await;
        Err(No::Never)
    });
    let saying = async {
        tokio::time::sleep(MINUTE / 2).await;
        cache.forget(&1);
    };
    let (found, ()) = futures_util::future::join(looking, saying).await;
    assert_eq!(found.map(|known| known.value), Err(No::Never));
    assert_eq!(get(&cache, Ok(2)).await, Ok(2), "it may be there by now");
}
