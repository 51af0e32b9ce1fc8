//! The one writer: a thread that takes what is queued, commits it in one transaction, and then answers.
//!
//! A single write is committed at once. While the disk is busy with a commit, writes queue up and share the next one, so
//! the cost of making them durable is shared without a delay of our own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::pool::open_writer;
use crate::store::StoreError;

/// Writes that share a commit, at most.
const GROUP: usize = 256;
/// Pages in the log after which they are copied into the database.
const CHECKPOINT: i32 = 2_000;

/// The sending side of the writer's queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Task>>>,
    wait: Duration,
    state: Arc<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer tells about itself.
#[derive(Debug, Default)]
struct State {
    /// The last commit failed; none has succeeded since.
    failed: AtomicBool,
    /// Pages in the log.
    logged: AtomicI32,
    /// Commits that wrote something.
    commits: AtomicU64,
}

/// How the writer opens its connection, also after a failure.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) max_pages: Option<u32>,
}

impl Writer {
    /// Starts the thread. `queue` writes may wait, and a full queue is waited for as long as `wait`.
    pub(super) fn start(
        connection: Connection,
        source: Source,
        queue: usize,
        wait: Duration,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let state = Arc::new(State::default());
        let mut worker = Worker {
            queue: receiver,
            connection: None,
            source,
            state: Arc::clone(&state),
            checkpoint_at: CHECKPOINT,
        };
        worker.adopt(connection)?;
        let thread = std::thread::Builder::new()
            .name("scim-writer".to_owned())
            .spawn(move || worker.serve())
            .map_err(StoreError::backend)?;
        Ok(Self { queue: Some(sender), wait, state, thread: Mutex::new(Some(thread)) })
    }

    /// Runs the closure in a write transaction, alone or with others, and answers once it is durable. When the closure
    /// fails, what it wrote is undone. It may be run again, after all that the first run did was undone.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Box::new(Call { work, outcome: None, reply });
        let queue = self.queue.as_ref().ok_or(StoreError::Busy)?;
        match queue.try_send(task) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(StoreError::Busy),
            Err(mpsc::error::TrySendError::Full(task)) => {
                match tokio::time::timeout(self.wait, queue.send(task)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return Err(StoreError::Busy),
                }
            }
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::backend("the writer stopped")))
    }

    /// Commits so far.
    pub(super) fn commits(&self) -> u64 {
        self.state.commits.load(Ordering::Relaxed)
    }

    /// Whether the last commit failed, so that only a real write can tell whether writes work again.
    pub(super) fn has_failed(&self) -> bool {
        self.state.failed.load(Ordering::Relaxed)
    }
}

/// Writes that are queued are still made.
impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread has been reported by its hook.
            let _ = thread.join();
        }
    }
}

/// A write that waits.
trait Task: Send {
    /// Makes the changes, inside the transaction.
    fn run(&mut self, connection: &Connection) -> Result<(), Failed>;
    /// Tells the caller: `lost` is why the transaction as a whole failed.
    fn answer(self: Box<Self>, lost: Option<&StoreError>);
}

/// How far a failed write reaches.
enum Failed {
    /// It alone is undone.
    Alone,
    /// It alone is undone, for want of room.
    Full,
    /// The storage failed, and with it the whole group.
    Storage(StoreError),
}

struct Call<T, F> {
    work: F,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Task for Call<T, F>
where
    T: Send,
    F: Fn(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Failed> {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.work)(connection)))
            .unwrap_or_else(|_| Err(StoreError::backend("the write panicked")));
        match outcome {
            Ok(value) => {
                self.outcome = Some(Ok(value));
                Ok(())
            }
            Err(error) => {
                let reach = match &error {
                    StoreError::Full(_) => Failed::Full,
                    _ if error.is_storage_failure() => Failed::Storage(error.shared()),
                    _ => Failed::Alone,
                };
                self.outcome = Some(Err(error));
                Err(reach)
            }
        }
    }

    fn answer(self: Box<Self>, lost: Option<&StoreError>) {
        let outcome = match (self.outcome, lost) {
            // What failed for want of room or storage failed, whatever became of the others. A refusal though may rest on
            // what the tasks before it wrote: lost with them, it says nothing about the state that there is.
            (Some(Err(error)), Some(_))
                if error.is_storage_failure() || matches!(error, StoreError::Full(_)) =>
            {
                Err(error)
            }
            (Some(Err(_)), Some(_)) => Err(StoreError::Busy),
            (_, Some(lost)) => Err(lost.shared()),
            (Some(Err(error)), None) => Err(error),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(StoreError::backend("the write was not made")),
        };
        // Whoever asked may be gone; the write stands all the same.
        let _ = self.reply.send(outcome);
    }
}

/// The thread's side.
struct Worker {
    queue: mpsc::Receiver<Box<dyn Task>>,
    connection: Option<Connection>,
    source: Source,
    state: Arc<State>,
    checkpoint_at: i32,
}

impl Worker {
    fn serve(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        while let Some(task) = self.queue.blocking_recv() {
            group.push(task);
            while group.len() < GROUP {
                match self.queue.try_recv() {
                    Ok(task) => group.push(task),
                    Err(_) => break,
                }
            }
            let result = self.commit(&mut group);
            let full = !matches!(result, Ok(Room::Enough));
            self.state.failed.store(full, Ordering::Relaxed);
            if let Err(error) = &result {
                tracing::error!(%error, writes = group.len(), "a commit failed");
            }
            for task in group.drain(..) {
                task.answer(result.as_ref().err());
            }
            self.checkpoint();
        }
    }

    /// Runs the tasks in one transaction. An error is one of all of them.
    fn commit(&mut self, group: &mut [Box<dyn Task>]) -> Result<Room, StoreError> {
        self.reopen()?;
        let Some(connection) = &self.connection else { return Err(StoreError::Busy) };
        let result = transact(connection, group);
        if result.is_err() && !connection.is_autocommit() {
            // Fails only when SQLite has rolled back already.
            let _ = connection.execute_batch("ROLLBACK");
        }
        if result.is_err() && !matches!(result, Err(StoreError::Full(_) | StoreError::Busy)) {
            // After an I/O error nothing that this connection believes about the file can be trusted.
            self.connection = None;
        }
        result
    }

    fn adopt(&mut self, mut connection: Connection) -> Result<(), StoreError> {
        let state = Arc::clone(&self.state);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            state.logged.store(pages, Ordering::Relaxed);
            state.commits.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Replaces a connection that was dropped after a failure, if the file is sound.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let connection = open_writer(&self.source.path, self.source.max_pages)?;
        let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(StoreError::backend(format!("the database is damaged: {sound}")));
        }
        self.adopt(connection)
    }

    /// Copies the log into the database when it has grown. Readers of an old state can hold this up; then it is tried
    /// again after as many pages more.
    fn checkpoint(&mut self) {
        let logged = self.state.logged.load(Ordering::Relaxed);
        if logged < self.checkpoint_at {
            return;
        }
        let Some(connection) = &self.connection else { return };
        let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok((row.get::<_, i32>(1)?, row.get::<_, i32>(2)?))
        });
        match copied {
            Ok((all, done)) if all == done => self.checkpoint_at = CHECKPOINT,
            Ok(_) => self.checkpoint_at = logged.saturating_add(CHECKPOINT),
            Err(error) => {
                self.checkpoint_at = logged.saturating_add(CHECKPOINT);
                tracing::warn!(%error, "the log could not be copied into the database");
            }
        }
    }
}

/// Whether all writes of a group found room.
enum Room {
    Enough,
    Lacking,
}

/// A savepoint for every task would copy each page once more that the task changes, and few tasks fail when they have
/// changed something. So it is done without, and once more with savepoints when one does.
fn transact(connection: &Connection, group: &mut [Box<dyn Task>]) -> Result<Room, StoreError> {
    let step = |sql| connection.prepare_cached(sql)?.execute([]);
    step("BEGIN IMMEDIATE")?;
    let room = match run_bare(connection, group)? {
        Some(room) => room,
        None => {
            step("ROLLBACK")?;
            step("BEGIN IMMEDIATE")?;
            run_guarded(connection, group)?
        }
    };
    step("COMMIT")?;
    Ok(room)
}

/// Runs the tasks; `None` when one has failed and left changes behind.
fn run_bare(
    connection: &Connection,
    group: &mut [Box<dyn Task>],
) -> Result<Option<Room>, StoreError> {
    let mut room = Room::Enough;
    for task in group {
        let before = connection.total_changes();
        if let Err(failed) = task.run(connection) {
            room = failed.weigh(connection, room)?;
            if connection.total_changes() != before {
                return Ok(None);
            }
        }
    }
    Ok(Some(room))
}

/// Runs each task in a savepoint.
fn run_guarded(connection: &Connection, group: &mut [Box<dyn Task>]) -> Result<Room, StoreError> {
    let step = |sql| connection.prepare_cached(sql)?.execute([]);
    let mut room = Room::Enough;
    for task in group {
        step("SAVEPOINT task")?;
        if let Err(failed) = task.run(connection) {
            room = failed.weigh(connection, room)?;
            step("ROLLBACK TO task")?;
        }
        step("RELEASE task")?;
    }
    Ok(room)
}

impl Failed {
    /// What a failed task means for the room that there is.
    ///
    /// # Errors
    /// When the whole transaction is lost with it.
    fn weigh(self, connection: &Connection, room: Room) -> Result<Room, StoreError> {
        match self {
            Failed::Storage(error) => Err(error),
            // SQLite has given up the whole transaction, so the tasks before and after are lost as well.
            _ if connection.is_autocommit() => {
                Err(StoreError::Full("the transaction was rolled back".into()))
            }
            Failed::Full => Ok(Room::Lacking),
            Failed::Alone => Ok(room),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = oneshot::Receiver<Result<u64, StoreError>>;

    /// Tasks that write a number each; those of `failing` fail afterwards, those of `refused` before.
    fn group(failing: &[u64], refused: &[u64]) -> (Vec<Box<dyn Task>>, Vec<Answer>) {
        let task = |n: u64| {
            let (fails, refuses) = (failing.contains(&n), refused.contains(&n));
            let work = move |connection: &Connection| {
                if refuses {
                    return Err(StoreError::NotFound);
                }
                connection.execute("INSERT INTO t VALUES (?1)", [n as i64])?;
                if fails { Err(StoreError::NotFound) } else { Ok(n) }
            };
            let (reply, answer) = oneshot::channel();
            (Box::new(Call { work, outcome: None, reply }) as Box<dyn Task>, answer)
        };
        (0..5).map(task).unzip()
    }

    /// Refused because of what a task before it wrote, which is then lost.
    #[test]
    fn a_refusal_is_no_fact_when_the_commit_fails() {
        let lost = StoreError::Full("no room".into());
        for lost in [None, Some(&lost)] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
            let (mut tasks, answers) = group(&[], &[1]);
            transact(&connection, &mut tasks).map_err(|error| error.to_string()).unwrap();
            tasks.into_iter().for_each(|task| task.answer(lost));
            for (n, mut answer) in answers.into_iter().enumerate() {
                match (answer.try_recv().unwrap(), lost) {
                    (Err(StoreError::Full(_)), Some(_)) => assert_ne!(n, 1),
                    // To be tried again.
                    (Err(StoreError::Busy), Some(_)) => assert_eq!(n, 1),
                    (Err(StoreError::NotFound), None) => assert_eq!(n, 1),
                    (Ok(_), None) => assert_ne!(n, 1),
                    (other, _) => panic!("{n}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn what_a_failed_task_wrote_is_undone_and_no_more() {
        for (failing, refused) in
            [(&[][..], &[][..]), (&[], &[1]), (&[2], &[]), (&[0, 4], &[1]), (&[0, 1, 2, 3, 4], &[])]
        {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
            let (mut tasks, answers) = group(failing, refused);
            transact(&connection, &mut tasks).map_err(|error| error.to_string()).unwrap();
            tasks.into_iter().for_each(|task| task.answer(None));
            let good: Vec<u64> =
                answers.into_iter().filter_map(|mut a| a.try_recv().unwrap().ok()).collect();
            let mut statement = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
            let stored: Vec<i64> =
                statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            let good: Vec<i64> = good.into_iter().map(|n| n as i64).collect();
            assert_eq!(good, stored, "{failing:?} {refused:?}");
            assert_eq!(good.len(), 5 - failing.len() - refused.len());
        }
    }
}
