//! The schema front-end against tables, a small validator, random walks and its promises of cost.
//!
//! Invariant: the runner below is the plainest reading of the contract between providers and the engine.

mod bounds;
mod cost;
mod page;
mod random;
mod references;
mod table;
mod validator;

use super::*;
use crate::ids::StateId;
use crate::provider::Cell;

#[derive(Clone, Debug, PartialEq)]
struct Frame {
    return_to: StateId,
    register: u64,
    /// Where the text of the call began.
    from: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    state: StateId,
    register: u64,
    frames: Vec<Frame>,
    /// Undeclared keys, with the number of frames below their object.
    keys: Vec<(usize, String)>,
}

/// Runs one text over the states of an arena.
struct Runner {
    arena: Arena,
    start: StateId,
}

#[derive(Clone)]
struct Run<'r> {
    runner: &'r Runner,
    items: Vec<Item>,
    text: Vec<u8>,
    accepted: bool,
}

fn compile(schema: &str, options: &Options) -> Result<Runner, CompileError> {
    compile_within(schema, options, &Limits::default())
}

fn compile_within(schema: &str, options: &Options, limits: &Limits) -> Result<Runner, CompileError> {
    let grammar = grammar(schema, options, limits)?;
    let arena = Arena::new(limits.clone());
    let Expr::Embedded(node) = &grammar.rules()[0].body else { panic!("the root is not embedded") };
    let attached = node.attach(&arena)?;
    Ok(Runner { start: attached.start.unwrap(), arena })
}

impl Runner {
    fn run(&self) -> Run<'_> {
        let item = Item { state: self.start, register: 0, frames: Vec::new(), keys: Vec::new() };
        Run { runner: self, items: vec![item], text: Vec::new(), accepted: false }
    }

    fn accepts(&self, text: &str) -> bool {
        let mut run = self.run();
        text.bytes().all(|b| run.step(b)) && run.accepted
    }
}

impl Run<'_> {
    /// Read a byte; false: refused.
    fn step(&mut self, byte: u8) -> bool {
        let next = self.after(byte);
        if next.is_empty() {
            return false;
        }
        self.text.push(byte);
        self.items = next;
        self.accepted = self.close();
        !self.items.is_empty() || self.accepted
    }

    fn viable(&self, byte: u8) -> bool {
        let mut run = Run { runner: self.runner, items: self.items.clone(), text: self.text.clone(), accepted: false };
        run.step(byte)
    }

    fn after(&self, byte: u8) -> Vec<Item> {
        let arena = &self.runner.arena;
        let mut out = Vec::new();
        for item in &self.items {
            match arena.step(item.state, byte).unwrap() {
                Cell::Dead => {}
                Cell::Simple(target, increment) => {
                    let register = item.register + u64::from(increment);
                    self.enter(&mut out, Item { state: target, register, ..item.clone() });
                }
                Cell::Many(alternatives) => {
                    for a in alternatives {
                        let mut next = item.clone();
                        for (i, push) in a.push.iter().enumerate() {
                            let saved = if i == 0 { item.register } else { 0 };
                            let register = saved + u64::from(push.increment);
                            next.frames.push(Frame { return_to: push.return_to, register, from: self.text.len() });
                        }
                        let register = if a.push.is_empty() { item.register } else { 0 };
                        self.enter(&mut out, Item { state: a.target, register: register + u64::from(a.increment), ..next });
                    }
                }
            }
        }
        out
    }

    fn enter(&self, out: &mut Vec<Item>, mut item: Item) {
        let arena = &self.runner.arena;
        if !arena.facts(item.state).counting {
            item.register = 0;
        }
        if let Some(state) = arena.settled(item.state, item.register).unwrap() {
            item.state = state;
            if !arena.facts(state).counting {
                item.register = 0;
            }
            out.push(item);
        }
    }

    /// Close under returns; true: the text may end here.
    fn close(&mut self) -> bool {
        let arena = &self.runner.arena;
        let mut accepted = false;
        let mut at = 0;
        while let Some(item) = self.items.get(at).cloned() {
            at += 1;
            let Some(value) = arena.facts(item.state).returns else { continue };
            let mut up = item.clone();
            let Some(frame) = up.frames.pop() else {
                accepted |= value == 0;
                continue;
            };
            if arena.facts(frame.return_to).tracks_keys && arena.key_is_undeclared(frame.return_to, value) {
                let key: String = serde_json::from_slice(&self.text[frame.from..]).unwrap();
                let key = (up.frames.len(), key);
                if up.keys.contains(&key) {
                    continue;
                }
                up.keys.push(key);
            }
            if let Some(state) = arena.on_return(frame.return_to, value).unwrap() {
                let depth = up.frames.len();
                up.keys.retain(|(d, _)| *d <= depth);
                let mut out = Vec::new();
                self.enter(&mut out, Item { state, register: frame.register, ..up });
                for next in out {
                    if !self.items.contains(&next) {
                        self.items.push(next);
                    }
                }
            }
        }
        self.items.retain(|item| arena.facts(item.state).has_edges);
        accepted
    }
}
