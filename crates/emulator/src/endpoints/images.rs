//! Workspace images. Four fields are objects when read and JSON inside a string
//! when written.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::{Outcome, Refusal, done, json_answer};
use crate::body::Body;
use crate::call::Call;
use crate::id::Id;
use crate::state::State;
use crate::state::image::Image;
use crate::wording::Topic;

const TARGET: &str = "target_image";

pub(super) fn get_images(state: &mut State, _: &Call<'_>) -> Outcome {
    let images: Vec<Value> = state.images.iter().map(Image::json).collect();
    json_answer(json!({"images": images}))
}

pub(super) fn get_image(state: &mut State, call: &Call<'_>) -> Outcome {
    let (_, at) = target(state, call)?;
    answer(state.images.get(at))
}

pub(super) fn create_image(state: &mut State, call: &Call<'_>) -> Outcome {
    let target = call.body.target(TARGET)?;
    let names = (target.text("name"), target.text("friendly_name"));
    let (Some(name), Some(friendly_name)) = names else {
        return Err(state.failure(Topic::Field));
    };
    let mut image = Image::new(state.random.id(), name, friendly_name);
    fill(&mut image, target)?;
    let image_id = image.id;
    state.images.push(image);
    answer(state.image(image_id))
}

pub(super) fn update_image(state: &mut State, call: &Call<'_>) -> Outcome {
    let (target, at) = target(state, call)?;
    let Some(image) = state.images.get_mut(at) else {
        return Err(Refusal::Crash);
    };
    let mut changed = image.clone();
    fill(&mut changed, target)?;
    *image = changed;
    answer(Some(image))
}

/// Sessions that run from the image go on.
pub(super) fn delete_image(state: &mut State, call: &Call<'_>) -> Outcome {
    let (_, at) = target(state, call)?;
    state.images.remove(at);
    done()
}

fn target<'a>(state: &State, call: &Call<'a>) -> Result<(Body<'a>, usize), Refusal> {
    let target = call.body.target(TARGET)?;
    let same = |id: Id| state.images.iter().position(|image| image.id == id);
    match target.id("image_id").and_then(same) {
        Some(at) => Ok((target, at)),
        None => Err(state.failure(Topic::Image)),
    }
}

fn answer(image: Option<&Image>) -> Outcome {
    json_answer(json!({"image": image.map(Image::json)}))
}

/// Takes over the fields that are there.
fn fill(image: &mut Image, from: Body<'_>) -> Result<(), Refusal> {
    set(&mut image.name, from, "name")?;
    set(&mut image.friendly_name, from, "friendly_name")?;
    set(&mut image.description, from, "description")?;
    set(&mut image.image_type, from, "image_type")?;
    set(&mut image.image_src, from, "image_src")?;
    set(&mut image.docker_registry, from, "docker_registry")?;
    set(&mut image.docker_user, from, "docker_user")?;
    set(&mut image.docker_token, from, "docker_token")?;
    set(&mut image.cores, from, "cores")?;
    set(&mut image.memory, from, "memory")?;
    set(
        &mut image.cpu_allocation_method,
        from,
        "cpu_allocation_method",
    )?;
    set(&mut image.gpu_count, from, "gpu_count")?;
    set(&mut image.require_gpu, from, "require_gpu")?;
    set(
        &mut image.uncompressed_size_mb,
        from,
        "uncompressed_size_mb",
    )?;
    set(&mut image.enabled, from, "enabled")?;
    set(&mut image.hidden, from, "hidden")?;
    set(&mut image.notes, from, "notes")?;
    set(
        &mut image.persistent_profile_path,
        from,
        "persistent_profile_path",
    )?;
    set_text(&mut image.categories, from, "categories")?;
    set_text(&mut image.run_config, from, "run_config")?;
    set_text(&mut image.exec_config, from, "exec_config")?;
    set_text(&mut image.volume_mappings, from, "volume_mappings")
}

fn set<T: DeserializeOwned>(place: &mut T, from: Body<'_>, field: &str) -> Result<(), Refusal> {
    if let Some(value) = from.get(field) {
        *place = serde_json::from_value(value.clone()).map_err(|_| Refusal::Crash)?;
    }
    Ok(())
}

fn set_text<T: DeserializeOwned>(
    place: &mut T,
    from: Body<'_>,
    field: &str,
) -> Result<(), Refusal> {
    if let Some(value) = from.get(field) {
        let text = value.as_str().ok_or(Refusal::Crash)?;
        *place = serde_json::from_str(text).map_err(|_| Refusal::Crash)?;
    }
    Ok(())
}
