//! The picture of a scene.

use super::super::frame::Frame;
use super::canvas::{CELL, Canvas};
use super::{BUTTON, CLOCK, FIELD, Focus, LIST, ROW, ROWS, SPINNER, STAGE, Scene, TERMINAL};
use crate::record::Area;

const WALL: u32 = 0x0026_4653;
const BAR: u32 = 0x0020_2228;
const PAPER: u32 = 0x00F4_F1EA;
const INK: u32 = 0x0018_1A1F;
const NIGHT: u32 = 0x0010_1418;
const LIME: u32 = 0x0080_E080;
const EDGE: u32 = 0x0090_9090;
const BRIGHT: u32 = 0x002A_9D8F;
const OFF: u32 = 0x00C0_C0C0;
const ON: u32 = 0x00E7_6F51;
const CRATE: u32 = 0x00E9_C46A;

pub(super) fn draw(scene: &Scene) -> Frame {
    let mut canvas = Canvas::new(scene.width, scene.height, WALL);
    shade(&mut canvas);
    canvas.fill(Area::new(0, 0, scene.width, 24), BAR);
    canvas.text(Area::new(8, 5, 400, 18), "Emulated desktop", PAPER);
    terminal(&mut canvas, scene);
    field(&mut canvas, scene);
    button(&mut canvas, scene);
    list(&mut canvas, scene);
    stage(&mut canvas, scene);
    spinner(&mut canvas, scene);
    clock(&mut canvas, scene);
    canvas.panel(scene.dragged, INK, CRATE);
    pointer(&mut canvas, scene.pointer);
    canvas.0
}

/// Many colours in the lowest part, so that not all of the picture is easy.
fn shade(canvas: &mut Canvas) {
    let (width, height) = (canvas.0.width, canvas.0.height);
    let from = height.saturating_sub(120);
    let rows = canvas.0.pixels.chunks_mut(width).enumerate().skip(from);
    for (y, row) in rows {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (x, y) = (x as u32, y as u32);
            *pixel = ((x / 5) & 0xff) << 16 | (y & 0xff) << 8 | ((x ^ y) & 0xff);
        }
    }
}

fn border(scene: &Scene, focus: Focus) -> u32 {
    if scene.focus == focus { BRIGHT } else { EDGE }
}

fn terminal(canvas: &mut Canvas, scene: &Scene) {
    canvas.panel(TERMINAL, border(scene, Focus::Terminal), NIGHT);
    let room = TERMINAL.inside(8);
    let (columns, lines) = (room.width / CELL.0, room.height / CELL.1);
    let wrapped = wrap(&scene.terminal, columns.into());
    let first = wrapped.len().saturating_sub(lines.into());
    let mut line = Area {
        height: CELL.1,
        ..room
    };
    for text in wrapped.iter().skip(first) {
        canvas.text(line, text, LIME);
        if line.y + 2 * CELL.1 <= room.y + room.height {
            line.y += CELL.1;
        }
    }
    let shown = wrapped.len().min(lines.into());
    let last = wrapped.last().map_or(0, |text| text.chars().count());
    let at = Area {
        y: room.y + CELL.1 * (shown.max(1) as u16 - 1),
        ..line
    };
    cursor(canvas, scene, Focus::Terminal, at, last, LIME);
}

fn field(canvas: &mut Canvas, scene: &Scene) {
    canvas.panel(FIELD, border(scene, Focus::Field), PAPER);
    let room = FIELD.inside(10);
    let columns = usize::from(room.width / CELL.0) - 1;
    let count = scene.field.chars().count();
    let end: String = scene
        .field
        .chars()
        .skip(count.saturating_sub(columns))
        .collect();
    canvas.text(room, &end, INK);
    cursor(canvas, scene, Focus::Field, room, count.min(columns), INK);
}

fn cursor(canvas: &mut Canvas, scene: &Scene, focus: Focus, line: Area, column: usize, ink: u32) {
    if scene.focus == focus && !scene.moved.cursor_hides {
        let x = line.x + CELL.0 * column as u16;
        let width = if scene.moved.cursor_is_block {
            CELL.0
        } else {
            3
        };
        canvas.fill(Area::new(x, line.y, width, CELL.1 - 2), ink);
    }
}

fn button(canvas: &mut Canvas, scene: &Scene) {
    let (colour, word) = if scene.button_on {
        (ON, "on")
    } else {
        (OFF, "off")
    };
    canvas.panel(BUTTON, INK, colour);
    let at = Area::new(BUTTON.x + 60, BUTTON.y + 16, 60, CELL.1);
    canvas.text(at, word, INK);
}

fn list(canvas: &mut Canvas, scene: &Scene) {
    canvas.panel(LIST, EDGE, PAPER);
    let room = LIST.inside(4);
    for (row, y) in
        (scene.scrolled..ROWS).zip((room.y..room.y + room.height - ROW).step_by(ROW.into()))
    {
        let stripe = Area::new(room.x, y, room.width, ROW);
        canvas.fill(stripe, if row % 2 == 0 { PAPER } else { OFF });
        canvas.text(
            Area::new(room.x + 8, y + 3, room.width - 8, CELL.1),
            &format!("row {row}"),
            INK,
        );
    }
}

fn stage(canvas: &mut Canvas, scene: &Scene) {
    if let Some(step) = scene.moved.step {
        canvas.fill(STAGE, NIGHT);
        for x in (step * 7 % 40..STAGE.width - 20).step_by(40) {
            let bar = Area::new(STAGE.x + x, STAGE.y + 4, 20, STAGE.height - 8);
            canvas.fill(bar, ON);
        }
    }
}

/// Eight dots in a ring, one of which is lit.
fn spinner(canvas: &mut Canvas, scene: &Scene) {
    let Some(spin) = scene.moved.spin else {
        return;
    };
    canvas.fill(SPINNER, NIGHT);
    let places = [
        (20, 2),
        (33, 7),
        (38, 20),
        (33, 33),
        (20, 38),
        (7, 33),
        (2, 20),
        (7, 7),
    ];
    for (dot, (x, y)) in (0..).zip(places) {
        let colour = if dot == spin { LIME } else { EDGE };
        canvas.fill(Area::new(SPINNER.x + x, SPINNER.y + y, 8, 8), colour);
    }
}

fn clock(canvas: &mut Canvas, scene: &Scene) {
    if let Some(second) = scene.moved.second {
        canvas.fill(CLOCK, NIGHT);
        canvas.text(CLOCK.inside(1), &format!("12:00:{second:02}"), LIME);
    }
}

/// An arrow. It is part of the picture, since no client draws one.
fn pointer(canvas: &mut Canvas, (x, y): (u16, u16)) {
    for row in 0..14_u16 {
        let y = y.saturating_add(row);
        canvas.fill(Area::new(x, y, row + 1, 1), INK);
        if row > 1 {
            canvas.fill(Area::new(x.saturating_add(1), y, row - 1, 1), PAPER);
        }
    }
}

/// Lines of a width, the last one even if nothing is in it.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let letters: Vec<char> = line.chars().collect();
        if letters.is_empty() {
            lines.push(String::new());
        }
        lines.extend(letters.chunks(columns).map(|part| part.iter().collect()));
    }
    lines
}
