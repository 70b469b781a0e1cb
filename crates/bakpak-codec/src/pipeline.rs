//! The only place with threads: work on all cores, results in the order of the jobs.

use bytes::Bytes;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{IntoIter, Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, available_parallelism};

/// Jobs under way for each thread, so that none goes to sleep while there is work.
pub(crate) const JOBS_PER_THREAD: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed set of worker threads. Dropping it waits for the jobs that run.
pub(crate) struct Workers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// Jobs handed out, whose results come back in the order in which they were handed out.
pub(crate) struct InOrder<T> {
    pending: VecDeque<Receiver<T>>,
}

/// A worker panicked: a defect of the program, told as an error instead of hanging.
#[derive(Debug, thiserror::Error)]
#[error("a worker thread stopped unexpectedly; this is a defect of bakpak")]
pub(crate) struct WorkerLost;

/// The system does not start a thread.
#[derive(Debug)]
pub(crate) struct NoThread(pub(crate) std::io::Error);

/// Takes things to a thread of their own, in order.
pub(crate) struct Belt<T>(SyncSender<T>);

/// Goes with something that is handed to another thread, see [`handed_over`].
pub(crate) struct Awaited(#[expect(dead_code, reason = "its drop is what tells")] SyncSender<()>);

/// Waits for the other half, see [`handed_over`].
pub(crate) struct Waiting(Receiver<()>);

/// Gives answers to another thread, in order.
pub(crate) struct Answering<T>(Sender<T>);

/// The answers, see [`answers`].
pub(crate) struct Answers<T>(Receiver<T>);

/// The thread at the other end of a [`Belt`] has stopped; [`beside`] gives its error.
#[derive(Debug)]
pub(crate) struct Stopped;

/// Things that go round, since making them anew costs more than using them: fresh memory 2.5 us a
/// page, a zstd context 1.3 MB.
pub(crate) struct Spares<T> {
    kept: Arc<Mutex<Vec<T>>>,
    limit: usize,
}

/// Buffers that go round.
pub(crate) type Buffers = Spares<Vec<u8>>;

/// A buffer that goes back when nobody holds any of it.
struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    /// Done before the others.
    short_jobs: VecDeque<Job>,
    jobs: VecDeque<Job>,
    closed: bool,
}

/// How many threads to use if the user does not say: one for each core the process may use.
pub fn default_threads() -> usize {
    available_parallelism().map_or(1, usize::from)
}

impl Workers {
    /// With no threads, jobs run where they are handed out.
    pub(crate) fn new(threads: usize) -> Result<Self, NoThread> {
        let queue = Arc::new(Queue::default());
        // Made first: if a thread cannot be started, dropping this ends those that were.
        let mut workers = Self {
            queue: Arc::clone(&queue),
            threads: Vec::new(),
        };
        for index in 0..threads {
            let queue = Arc::clone(&queue);
            let thread = Builder::new()
                .name(format!("bakpak-worker-{index}"))
                .spawn(move || queue.work())
                .map_err(NoThread)?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Hands out a job; its result is the next one behind those already pending in `results`.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        results: &mut InOrder<T>,
        job: impl FnOnce() -> T + Send + 'static,
    ) {
        self.hand_out(results, job, |state| &mut state.jobs);
    }

    /// Hands out a short job, which is done before those that wait: whoever hands out is going to
    /// wait for it, and meanwhile would hand out nothing.
    pub(crate) fn submit_short<T: Send + 'static>(
        &self,
        results: &mut InOrder<T>,
        job: impl FnOnce() -> T + Send + 'static,
    ) {
        self.hand_out(results, job, |state| &mut state.short_jobs);
    }

    fn hand_out<T: Send + 'static>(
        &self,
        results: &mut InOrder<T>,
        job: impl FnOnce() -> T + Send + 'static,
        queue: fn(&mut State) -> &mut VecDeque<Job>,
    ) {
        let (sender, receiver) = sync_channel(1);
        results.pending.push_back(receiver);
        let job = move || {
            // The receiver is gone when the run was given up; then nobody wants the result.
            let _ = sender.send(job());
        };
        if self.threads.is_empty() {
            job();
        } else {
            queue(&mut self.queue.lock()).push_back(Box::new(job));
            self.queue.ready.notify_one();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.closed = true;
        state.short_jobs.clear();
        state.jobs.clear();
        drop(state);
        self.queue.ready.notify_all();
        for thread in self.threads.drain(..) {
            // A worker catches panics of jobs; there is nothing else to learn from the join.
            let _ = thread.join();
        }
    }
}

impl<T> InOrder<T> {
    pub(crate) fn new() -> Self {
        Self {
            pending: VecDeque::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// The next result, waiting for it; `None` if no job is pending.
    pub(crate) fn next(&mut self) -> Option<Result<T, WorkerLost>> {
        let receiver = self.pending.pop_front()?;
        Some(receiver.recv().map_err(|_| WorkerLost))
    }

    /// The next result if it is there already.
    pub(crate) fn next_ready(&mut self) -> Option<Result<T, WorkerLost>> {
        match self.pending.front()?.try_recv() {
            Ok(result) => {
                self.pending.pop_front();
                Some(Ok(result))
            }
            Err(std::sync::mpsc::TryRecvError::Empty) => None,
            Err(std::sync::mpsc::TryRecvError::Disconnected) => Some(Err(WorkerLost)),
        }
    }
}

/// Runs `body` on a thread of its own over everything that `f` puts on the belt, at most `depth`
/// things in between; gives back what `f` gives and how `body` ended. `f` must drop the belt: `body`
/// ends when nothing can come any more.
pub(crate) fn beside<T: Send, E: Send, R>(
    depth: usize,
    mut body: impl FnMut(T) -> Result<(), E> + Send,
    f: impl FnOnce(Belt<T>) -> R,
) -> Result<(R, Result<(), E>), NoThread> {
    let (sender, receiver) = sync_channel(depth);
    std::thread::scope(|scope| {
        let body = move || receiver.into_iter().try_for_each(&mut body);
        let thread = Builder::new().spawn_scoped(scope, body).map_err(NoThread)?;
        let result = f(Belt(sender));
        let ended = thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((result, ended))
    })
}

/// Runs `produce` on a thread of its own and `f` here, over what it puts on the belt, at most
/// `depth` things in between. Where `f` ends early, the belt stops.
pub(crate) fn in_front<T: Send, R>(
    depth: usize,
    produce: impl FnOnce(Belt<T>) + Send,
    f: impl FnOnce(IntoIter<T>) -> R,
) -> Result<R, NoThread> {
    let (sender, receiver) = sync_channel(depth);
    std::thread::scope(|scope| {
        let produce = move || produce(Belt(sender));
        let thread = Builder::new()
            .spawn_scoped(scope, produce)
            .map_err(NoThread)?;
        let result = f(receiver.into_iter());
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
        Ok(result)
    })
}

/// A way back from another thread, as long as what is asked.
pub(crate) fn answers<T>() -> (Answering<T>, Answers<T>) {
    let (sender, receiver) = channel();
    (Answering(sender), Answers(receiver))
}

impl<T> Answering<T> {
    pub(crate) fn give(&self, answer: T) {
        // Nobody wants it when the run was given up.
        let _ = self.0.send(answer);
    }
}

impl<T> Answers<T> {
    /// The next one, if it is there already.
    pub(crate) fn next_ready(&self) -> Option<T> {
        self.0.try_recv().ok()
    }

    /// The next one, waiting for it.
    pub(crate) fn next(&self) -> Result<T, WorkerLost> {
        self.0.recv().map_err(|_| WorkerLost)
    }
}

/// For something handed to another thread: dropping the one half ends the waiting of the other.
pub(crate) fn handed_over() -> (Awaited, Waiting) {
    let (sender, receiver) = sync_channel(0);
    (Awaited(sender), Waiting(receiver))
}

impl Waiting {
    /// Waits until the thing handed over has been dropped.
    pub(crate) fn wait(self) {
        // Nothing is ever sent.
        let _ = self.0.recv();
    }
}

impl<T> Belt<T> {
    pub(crate) fn put(&self, item: T) -> Result<(), Stopped> {
        self.0.send(item).map_err(|_| Stopped)
    }
}

impl<T> Spares<T> {
    /// Keeps at most `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            kept: Arc::default(),
            limit,
        }
    }

    /// One that was given back, if there is any.
    pub(crate) fn take(&self) -> Option<T> {
        self.lock().pop()
    }

    /// Gives one back for the next use.
    pub(crate) fn give(&self, spare: T) {
        let mut kept = self.lock();
        if kept.len() < self.limit {
            kept.push(spare);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffers {
    /// What is in `buffer`, to be held by several; the last one gives the buffer back.
    pub(crate) fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent {
            buffer,
            home: self.clone(),
        })
    }

    /// Gives a buffer back, unless it has grown beyond what most uses need: a hostile archive must
    /// not leave large ones behind.
    pub(crate) fn give_buffer(&self, buffer: Vec<u8>) {
        const WORTH_KEEPING: usize = 4 << 20;
        if buffer.capacity() <= WORTH_KEEPING {
            self.give(buffer);
        }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give_buffer(std::mem::take(&mut self.buffer));
    }
}

impl<T> Clone for Spares<T> {
    fn clone(&self) -> Self {
        Self {
            kept: Arc::clone(&self.kept),
            limit: self.limit,
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        loop {
            let mut state = self.lock();
            let job = loop {
                let next = state.short_jobs.pop_front();
                if let Some(job) = next.or_else(|| state.jobs.pop_front()) {
                    break job;
                }
                if state.closed {
                    return;
                }
                state = self
                    .ready
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            // A panic drops the job's sender: whoever waits gets WorkerLost.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let workers = Workers::new(4).unwrap();
        let mut results = InOrder::new();
        for i in 0..100_u64 {
            workers.submit(&mut results, move || {
                std::thread::sleep(std::time::Duration::from_micros(100 - i));
                i
            });
        }
        let all: Vec<u64> = std::iter::from_fn(|| results.next())
            .map(Result::unwrap)
            .collect();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn short_jobs_are_done_before_those_that_wait() {
        let workers = Workers::new(1).unwrap();
        let (go, wait) = sync_channel::<()>(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(name)
        };
        let (mut long, mut short) = (InOrder::new(), InOrder::new());
        workers.submit(&mut long, move || wait.recv().unwrap());
        workers.submit(&mut long, note("long"));
        workers.submit_short(&mut short, note("short"));
        workers.submit_short(&mut short, note("next"));
        go.send(()).unwrap();
        while let Some(done) = long.next() {
            done.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["short", "next", "long"]);
    }

    #[test]
    fn a_job_that_panics_is_an_error_and_the_worker_goes_on() {
        let workers = Workers::new(1).unwrap();
        let mut results = InOrder::new();
        workers.submit(&mut results, || panic!("told as an error"));
        workers.submit(&mut results, || 1);
        assert!(results.next().unwrap().is_err());
        assert_eq!(results.next().unwrap().unwrap(), 1);
    }

    #[test]
    fn the_belt_stops_when_its_thread_fails() {
        let (sent, ended) = beside(
            1,
            |i| if i < 3 { Ok(()) } else { Err("full") },
            |belt| (0..100).take_while(|&i| belt.put(i).is_ok()).count(),
        )
        .unwrap();
        assert_eq!(ended, Err("full"));
        assert!(sent < 100);
    }
}
