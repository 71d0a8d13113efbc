// Figures open in a dialog, where they can be read on a small screen; arrows of the table of contents
// have names.
document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.createElement("dialog");
  dialog.className = "zoomed";
  dialog.setAttribute("aria-label", "Figure, enlarged");
  dialog.innerHTML = '<button type="button" aria-label="Close">×</button><div tabindex="0"></div>';
  dialog.addEventListener("click", (event) => {
    if (event.target.tagName !== "IMG") dialog.close();
  });
  document.body.append(dialog);

  for (const image of document.querySelectorAll(".bd-article .cell_output img, .bd-article figure img")) {
    const zoom = () => {
      dialog.lastChild.replaceChildren(image.cloneNode());
      dialog.showModal(); // Escape closes it, and the focus returns
    };
    const button = document.createElement("button");
    button.type = "button";
    button.className = "zoom";
    button.title = "Enlarge";
    button.setAttribute("aria-label", "Enlarge the figure");
    button.textContent = "⤢";
    button.addEventListener("click", zoom);
    image.addEventListener("click", zoom);
    const frame = document.createElement("span");
    frame.className = "zoomable";
    image.replaceWith(frame);
    frame.append(image, button);
  }

  for (const summary of document.querySelectorAll("nav .has-children > details > summary"))
    summary.setAttribute("aria-label", "Show or hide the pages below");

  // The theme makes what is too wide reachable by keyboard, but not tables that scripts build, nor
  // what scrolls within a tab or a fold.
  const scrollers = ".dt-scroll-body, .cell_output :is(.sd-tab-content, .sd-summary-content)";
  const reachable = () => {
    for (const scroller of document.querySelectorAll(scrollers)) scroller.tabIndex = 0;
  };
  reachable();
  new MutationObserver(reachable).observe(document.body, { childList: true, subtree: true });
});
