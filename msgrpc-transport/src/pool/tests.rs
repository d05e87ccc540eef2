//! The pool over connections that a test opens, breaks and counts.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{join_all, pending};
use proptest::prelude::*;
use tokio::time::sleep;

use super::*;
use crate::BoxFuture;

/// A place where connections can be had, and what became of them.
#[derive(Clone, Default)]
struct Place(Arc<Facts>);

#[derive(Default)]
struct Facts {
    /// How long opening takes.
    delay: Duration,
    down: AtomicBool,
    silent: AtomicBool,
    permanent: AtomicBool,
    tries: AtomicUsize,
    alive: AtomicUsize,
}

/// A connection of it.
struct Line {
    place: Place,
    broken: Arc<AtomicBool>,
}

impl Line {
    fn break_off(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.place.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Open for Place {
    type Connection = Line;

    fn open(&self) -> BoxFuture<'_, Result<Line, ConnectError>> {
        Box::pin(async {
            self.0.tries.fetch_add(1, Ordering::SeqCst);
            sleep(self.0.delay).await;
            if self.0.silent.load(Ordering::SeqCst) {
                pending::<()>().await;
            }
            if self.0.permanent.load(Ordering::SeqCst) {
                let address = "udp://nowhere:1".parse().unwrap();
                return Err(ConnectError::Unsupported { address });
            }
            if self.0.down.load(Ordering::SeqCst) {
                return Err(ConnectError::custom("the place", "it is down"));
            }
            self.0.alive.fetch_add(1, Ordering::SeqCst);
            Ok(Line { place: self.clone(), broken: Arc::default() })
        })
    }

    fn closed(&self, line: &Line) -> Option<Box<dyn Error + Send + Sync>> {
        line.broken.load(Ordering::SeqCst).then(|| "it broke".into())
    }

    fn address(&self) -> String {
        "the place".to_owned()
    }
}

impl Place {
    fn pool(&self, set: impl FnOnce(PoolOptions) -> PoolOptions) -> Pool<Self> {
        Pool::new(self.clone(), set(PoolOptions::default()))
    }

    fn slow(delay: Duration) -> Self {
        Self(Arc::new(Facts { delay, ..Facts::default() }))
    }

    fn tries(&self) -> usize {
        self.0.tries.load(Ordering::SeqCst)
    }

    fn alive(&self) -> usize {
        self.0.alive.load(Ordering::SeqCst)
    }

    fn down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn connections_are_opened_side_by_side() {
    let place = Place::slow(SECOND);
    let pool = place.pool(|options| options);
    let begun = Instant::now();
    let loans = join_all((0..8).map(|_| pool.get())).await;
    assert_eq!(begun.elapsed(), SECOND);
    assert!(loans.iter().all(Result::is_ok));
    assert_eq!((pool.status().open, pool.status().lent), (8, 8));
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_is_lent_again() {
    let place = Place::default();
    let pool = place.pool(|options| options);
    for _ in 0..10 {
        drop(pool.get().await.unwrap());
    }
    assert_eq!((place.tries(), place.alive()), (1, 1));
    assert_eq!(
        pool.status(),
        PoolStatus { max_size: 8, open: 1, opened: 1, ..PoolStatus::default() }
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_the_numbers() {
    let pool = Place::default().pool(|options| options.max_size(1).wait_timeout(SECOND));
    let loan = pool.get().await.unwrap();
    let errors = join_all((0..3).map(|_| pool.get())).await;
    let texts: Vec<String> = errors.into_iter().map(|loan| loan.unwrap_err().to_string()).collect();
    assert_eq!(
        texts,
        [3, 2, 1].map(|waiting| format!(
            "no connection to the place came free within 1s (wait_timeout): max_size 1, open 1, lent 1, \
             waiting {waiting}"
        ))
    );
    drop(loan);
    drop(pool.get().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_down_is_tried_with_pauses_until_the_time_is_over() {
    let place = Place::default();
    place.down(true);
    let pool = place.pool(|options| options.max_size(4));
    let begun = Instant::now();
    let error = pool.get().await.unwrap_err();
    assert_eq!(begun.elapsed(), 15 * SECOND);
    assert_eq!(
        error.to_string(),
        "no connection to the place came free within 15s (wait_timeout): max_size 4, open 0, lent 0, waiting 1; \
         last error: could not connect to the place: it is down"
    );
    assert!((4..200).contains(&place.tries()), "{} tries in 15 s", place.tries());
    place.down(false);
    drop(pool.get().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_share_the_pauses() {
    let place = Place::default();
    place.down(true);
    let pool = place.pool(|options| options.wait_timeout(60 * SECOND));
    let errors = join_all((0..100).map(|_| pool.get())).await;
    assert!(errors.iter().all(Result::is_err));
    // 8 side by side at first; then as many as one alone would make in a minute.
    assert!((10..200).contains(&place.tries()), "{} tries in a minute", place.tries());
}

#[tokio::test(start_paused = true)]
async fn what_trying_again_cannot_help_fails_at_once_and_is_not_tried_hot() {
    let place = Place::default();
    place.0.permanent.store(true, Ordering::SeqCst);
    let pool = place.pool(|options| options.wait_timeout(None));
    let begun = Instant::now();
    let error = pool.get().await.unwrap_err();
    assert!(begun.elapsed().is_zero());
    assert!(error.to_string().starts_with("could not connect to udp://nowhere:1: "), "{error}");
    assert!(matches!(pool.get().await, Err(PoolError::Open(_))));
    assert!(begun.elapsed() >= 6 * SECOND, "the second try came after {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_try_that_hangs_is_given_up() {
    let place = Place::default();
    place.0.silent.store(true, Ordering::SeqCst);
    let pool = place.pool(|options| options.create_timeout(SECOND));
    let error = pool.get_once().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not connect to the place: no connection within 1s (create_timeout)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_one_is_never_lent_again() {
    let place = Place::default();
    let pool = place.pool(|options| options.max_size(2));
    let (one, two) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    one.proof().give();
    two.proof().give();
    one.break_off();
    drop(one);
    assert_eq!(place.alive(), 1, "broken while on loan");
    let broken = Arc::clone(&two.broken);
    drop(two);
    broken.store(true, Ordering::SeqCst);
    let three = pool.get().await.unwrap();
    assert!(!three.broken.load(Ordering::SeqCst), "broken while it lay there");
    assert_eq!((place.alive(), place.tries(), pool.failures()), (1, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_accepts_and_closes_is_tried_with_pauses() {
    let place = Place::default();
    let pool = place.pool(|options| options.wait_timeout(None));
    let begun = Instant::now();
    for _ in 0..20 {
        pool.get().await.unwrap().break_off();
    }
    assert_eq!(pool.failures(), 20, "a connect proves nothing");
    assert!(begun.elapsed() > 20 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(
        pool.last_error().unwrap().to_string(),
        "could not connect to the place: nothing was answered before the end: it broke"
    );
    pool.get().await.unwrap().proof().give();
    assert_eq!((pool.failures(), pool.last_error().is_some()), (0, false));
}

#[tokio::test(start_paused = true)]
async fn idle_and_old_ones_are_swept_out_and_not_all_at_once() {
    let place = Place::default();
    let pool = place.pool(|options| options.max_size(100).max_idle(60 * SECOND).max_lifetime(None));
    drop(join_all((0..100).map(|_| pool.get())).await);
    sleep(53 * SECOND).await;
    assert!(pool.sweep().is_empty(), "none idles for less than nine tenths");
    sleep(4 * SECOND).await;
    let early = pool.sweep().len();
    assert!((20..80).contains(&early), "{early} of 100 after 57 s");
    sleep(4 * SECOND).await;
    assert_eq!(pool.sweep().len(), 100 - early, "none for longer than the setting");
    assert_eq!((place.alive(), pool.status().open), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_old_one_is_used_to_the_end_and_not_lent_again() {
    let place = Place::default();
    let pool = place.pool(|options| options.max_lifetime(60 * SECOND).max_idle(None));
    let loan = pool.get().await.unwrap();
    sleep(61 * SECOND).await;
    assert_eq!(place.alive(), 1, "it is in use");
    drop(loan);
    assert_eq!(place.alive(), 0);
    drop(pool.get().await.unwrap());
    sleep(61 * SECOND).await;
    drop(pool.get().await.unwrap());
    assert_eq!((place.tries(), place.alive()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_closed_pool_lends_nothing_and_keeps_nothing() {
    let place = Place::default();
    let pool = place.pool(|options| options.max_size(2));
    let (lent, idle) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    drop(idle);
    let busy = pool.get().await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    drop(busy);
    assert!(waiting.await.unwrap().is_ok());
    assert_eq!(pool.close().len(), 1);
    let error = pool.get().await.unwrap_err();
    assert_eq!(error.to_string(), "the pool of connections to the place is closed");
    assert_eq!(place.alive(), 1);
    drop(lent);
    assert_eq!((place.alive(), pool.status().open), (0, 0));
}

/// What one user of the pool does next.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Ask,
    GiveUp(usize),
    Return(usize),
    Break(usize),
    Discard(usize),
    Down(bool),
    Sleep(u64),
    Sweep,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        5 => Just(Deed::Ask),
        1 => (0..8_usize).prop_map(Deed::GiveUp),
        2 => (0..8_usize).prop_map(Deed::Return),
        1 => (0..8_usize).prop_map(Deed::Break),
        1 => (0..8_usize).prop_map(Deed::Discard),
        1 => any::<bool>().prop_map(Deed::Down),
        3 => (0..400_u64).prop_map(Deed::Sleep),
        1 => Just(Deed::Sweep),
    ];
    proptest::collection::vec(deed, 1..80)
}

/// Users of a pool of 3, who come, give up, break things, and go.
async fn live(deeds: Vec<Deed>) {
    let place = Place::slow(Duration::from_millis(20));
    let pool = place.pool(|options| options.max_size(3).max_idle(SECOND).max_lifetime(2 * SECOND));
    let mut asking = Vec::new();
    let mut loans = Vec::new();
    for deed in deeds {
        match deed {
            Deed::Ask => {
                let pool = pool.clone();
                asking.push(tokio::spawn(async move { pool.get().await }));
            }
            Deed::GiveUp(n) if n < asking.len() => asking.swap_remove(n).abort(),
            Deed::Return(n) if n < loans.len() => drop(loans.swap_remove(n)),
            Deed::Break(n) if n < loans.len() => {
                let loan: Loan<Place> = loans.swap_remove(n);
                loan.break_off();
            }
            Deed::Discard(n) if n < loans.len() => loans.swap_remove(n).discard(),
            Deed::Down(down) => place.down(down),
            Deed::Sleep(millis) => sleep(Duration::from_millis(millis)).await,
            Deed::Sweep => drop(pool.sweep()),
            _ => {}
        }
        let mut n = 0;
        while n < asking.len() {
            if asking[n].is_finished() {
                loans.extend(asking.swap_remove(n).await.unwrap());
            } else {
                n += 1;
            }
        }
        let status = pool.status();
        assert!(status.open <= 3 && status.lent <= status.open && place.alive() == status.open);
        assert_eq!(pool.stock.status().size, status.open, "deadpool counts the same");
    }
    asking.iter().for_each(tokio::task::JoinHandle::abort);
    for ended in asking {
        drop(ended.await);
    }
    // Those that gave up before have noticed by then.
    sleep(Duration::from_millis(1)).await;
    drop(loans);
    place.down(false);
    let status = pool.status();
    assert_eq!((status.lent, status.waiting), (0, 0));
    let full = join_all((0..3).map(|_| pool.get_until(None))).await;
    assert_eq!(full.iter().flatten().count(), 3, "every place is there");
    let (begun, fourth) = (Instant::now(), pool.get().await);
    assert!(fourth.is_err() && begun.elapsed() == 15 * SECOND, "and not one more");
    drop(full);
    drop(pool.close());
    assert_eq!(place.alive(), 0);
    let status = pool.status();
    assert_eq!((status.open, status.opened), (0, status.discarded));
}

proptest! {
    #[test]
    fn whatever_its_users_do_the_pool_keeps_its_size(deeds in deeds()) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(live(deeds));
    }
}
