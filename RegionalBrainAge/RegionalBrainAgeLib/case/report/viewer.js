"use strict";
(() => {
  // NiiVue comes as a Jupyter widget (anywidget): what it reads and writes is a model, and this is the smallest one.
  class Model {
    constructor(values) { this.values = values; this.listeners = {}; this.told = () => {}; this._comm_live = false; }
    get(name) { return this.values[name]; }
    set(name, value) { this.values[name] = value; }
    on(event, listener) { (this.listeners[event] ||= []).push(listener); }
    off(event) { delete this.listeners[event]; }
    save_changes() {}
    send_sync_message() {}
    send(message) { this.told(message); }
    change(name, value) { this.set(name, value); for (const listener of this.listeners["change:" + name] || []) listener(); }
    command(type, ...data) { for (const listener of this.listeners["msg:custom"] || []) listener({ type, data }, []); }
  }
  const find = id => document.getElementById(id);
  const bytes = id => Uint8Array.from(atob(find(id).textContent), character => character.charCodeAt(0));
  const facts = JSON.parse(find("viewer-facts").textContent);
  const noFile = { name: "" };
  const volume = (id, more) => new Model({ id, name: id + ".nii.gz", path: noFile, paired_img_path: noFile, url: "",
    data: new DataView(bytes(`viewer-${id}-volume`).buffer), colormap: "gray", opacity: 1, colormap_negative: "", frame_4d: 0,
    colorbar_visible: false, colormap_type: 0, colormap_invert: false, modulation_image: null, modulate_alpha: 0, ...more });
  const labels = lut => ({ lut, min: 0, max: lut.length / 4 - 1, labels: [] });

  async function start() {
    const models = {
      t1: volume("t1", { cal_min: 0, cal_max: 255 }),
      regions: volume("regions", { opacity: 0.8, colormap_label: labels(Object.values(facts.colours)[0]) }),
      lesion: volume("lesion", { colormap_label: labels(facts.lesion) }),
    };
    const viewer = new Model({ height: 360, volumes: Object.keys(models).map(id => "IPY_MODEL_" + id), meshes: [], scene: {}, graph: {},
      opts: { isRadiologicalConvention: true, multiplanarShowRender: 1, show3Dcrosshair: true, showAllOrientationMarkers: true, backColor: [0, 0, 0, 1],
        crosshairColor: [1, 1, 1, 0.7], isNearestInterpolation: false, loadingText: "", dragAndDropEnabled: false },
      background_masks_overlays: false, draw_lut: null, draw_opacity: 0.8, draw_fill_overwrites: true, overlay_outline_width: 0,
      overlay_alpha_shader: 1, this_model_id: "" });
    viewer.widget_manager = { get_model: async id => models[id] };
    const code = new Blob([bytes("viewer-code")]).stream().pipeThrough(new DecompressionStream("gzip"));
    const address = URL.createObjectURL(new Blob([await new Response(code).arrayBuffer()], { type: "text/javascript" }));
    const { default: widget } = await import(address);
    URL.revokeObjectURL(address);
    find("viewer-place").hidden = false;
    await widget.initialize({ model: viewer });
    await widget.render({ model: viewer, el: find("viewer-place") });
    join(viewer, models);
  }

  function join(viewer, models) {
    const rows = new Map([...document.querySelectorAll("tr[data-region]")].map(row => [row.dataset.region, row]));
    const show = region => {
      for (const [name, row] of rows) row.classList.toggle("shown", name === region);
      const row = rows.get(region);
      find("viewer-told").textContent = row ? facts.words[facts.regions.indexOf(region)] : "No measured cortex of a region here.";
    };
    viewer.told = message => {
      if (message.event !== "location_change") return;
      const here = message.data.values.find(value => value.name.startsWith("regions"));
      show(here ? facts.regions[Math.round(here.value) - 1] : undefined);
    };
    for (const [region, row] of rows) {
      const place = facts.places[facts.regions.indexOf(region)];
      if (place) row.addEventListener("click", () => { viewer.change("scene", { crosshairPos: place }); viewer.command("draw_scene"); show(region); });
    }
    find("viewer-place").addEventListener("click", () => document.querySelector("tr.shown")?.scrollIntoView({ block: "nearest" }));
    find("viewer-layer").addEventListener("change", event => models.regions.change("colormap_label", labels(facts.colours[event.target.value])));
    find("viewer-opacity").addEventListener("input", event => models.regions.change("opacity", +event.target.value));
    find("viewer-lesion")?.addEventListener("change", event => models.lesion.change("opacity", +event.target.checked));
  }

  find("viewer-start").addEventListener("click", async event => {
    event.target.disabled = true;
    find("viewer-told").textContent = "Starting …";
    try {
      await start();
      event.target.hidden = true;
      find("viewer-controls").hidden = false;
      find("viewer-told").textContent = "Click a region or a row of the table.";
    } catch (error) {
      find("viewer-place").hidden = true;
      find("viewer-told").textContent = `The viewer needs WebGL 2, which this browser does not offer (${error.message}). The pictures show the same.`;
    }
  });
})();
