//! Files of a tree that are requested ahead, and connections that share a tree.

use std::{
    fs,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fdsp::{
    client::{Form, NewJob},
    protocol::client::Request,
};

use crate::tree::{
    scripted::{Session, listen},
    scripts::Script,
    support::{Client, MIB, config, content},
};

type Files = Vec<(String, Vec<u8>)>;

/// A tree of files that are larger than a block.
fn photos(count: usize, size: usize) -> (Script, Files) {
    let photo = |number: usize| (format!("photo-{number:02}"), content(size + number, number as u64));
    let files: Files = (0..count).map(photo).collect();
    let script = files.iter().fold(Script::new(), |script, (name, content)| script.file(name, content));
    (script, files)
}

fn fetch(client: &mut Client, at: std::net::SocketAddr, files: &[(String, Vec<u8>)]) {
    let job = NewJob { form: Form::Tree, ..client.job(at, "t") };
    let done = client.run(job).unwrap();
    assert_eq!(done.files, Some(files.len() as u64));
    for (name, content) in files {
        assert!(&fs::read(done.path.join(name)).unwrap() == content, "{name}");
    }
}

/// The server answers nothing before it has received the requests for all files.
#[test]
fn files_larger_than_a_block_are_requested_before_the_one_before_is_received() {
    const FILES: usize = 6;
    let (script, files) = photos(FILES, MIB + 4321);
    let at = listen(move |_, stream| {
        let mut session = Session::new(stream);
        let mut held = Vec::new();
        while let Some((id, request)) = session.request() {
            if matches!(request, Request::Get(_)) {
                held.push((id, request));
                if held.len() < FILES {
                    continue;
                }
            } else {
                held.push((id, request));
            }
            for (id, request) in held.drain(..) {
                script.answer(&mut session, id, &request);
                session.flush();
            }
        }
    });
    fetch(&mut Client::new(config()), at, &files);
}

/// Whether a second connection was made.
#[derive(Default)]
struct Second(Mutex<bool>, Condvar);

impl Second {
    fn came(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        drop(self.1.wait_while(self.0.lock().unwrap(), |came| !*came).unwrap());
    }
}

/// A tree from a server far away. `second` takes the first request of the second connection, and returns whether it continues.
fn far(
    second: impl Fn(&Script, &mut Session, (u32, Request)) -> bool + Send + Sync + 'static,
) -> (std::net::SocketAddr, Files) {
    let (script, files) = photos(12, 3 * MIB);
    let (connections, came) = (AtomicUsize::new(0), Arc::new(Second::default()));
    let at = listen(move |_, stream| {
        let number = connections.fetch_add(1, Ordering::SeqCst);
        // The greeting takes this long.
        std::thread::sleep(Duration::from_millis(40));
        let mut session = Session::new(stream);
        if number == 1 {
            let Some(request) = session.request() else { return };
            let continues = second(&script, &mut session, request);
            came.came();
            if !continues {
                return;
            }
        }
        while let Some((id, request)) = session.request() {
            if matches!(request, Request::Get(_)) {
                came.wait();
            }
            script.answer(&mut session, id, &request);
            session.flush();
        }
    });
    (at, files)
}

/// The server sends no file before a second connection has requested one.
#[test]
fn two_connections_share_a_tree_over_a_long_link() {
    let requested = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requested);
    let (at, files) = far(move |script, session, (id, request)| {
        count.fetch_add(1, Ordering::SeqCst);
        script.answer(session, id, &request);
        session.flush();
        true
    });
    fetch(&mut Client::new(config()), at, &files);
    assert_eq!(requested.load(Ordering::SeqCst), 1);
}

#[test]
fn the_files_of_a_connection_that_is_lost_are_received_by_the_others() {
    let (at, files) = far(|_, _, _| false);
    fetch(&mut Client::new(config()), at, &files);
}
