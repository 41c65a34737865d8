//! A web server with one page, so that the demo needs no network.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const PAGE: &str = "<!doctype html><html><head><title>Handbook: returns</title></head><body>\
<h1>Returns</h1><p>If more than one in ten of a product comes back within a quarter, tell purchasing.</p>\
<p>See also <a href=\"/refunds\">refunds</a>.</p></body></html>";

/// Serves until the demo ends.
pub(super) struct Handbook {
    url: String,
    served: Arc<AtomicUsize>,
}

impl Handbook {
    /// On a free port of the loopback interface.
    pub(super) fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/returns", listener.local_addr()?);
        let served = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&served);
        thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                // A visitor that disconnects early is not counted.
                if answer(visitor).is_ok() {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Ok(Self { url, served })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Requests that were answered completely.
    pub(super) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

fn answer(visitor: TcpStream) -> std::io::Result<()> {
    visitor.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(&visitor);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    write!(
        &visitor,
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{PAGE}",
        PAGE.len()
    )
}
