// Sends the one form of its page at once. Without scripts there is its button.
"use strict";
document.getElementById("form-post").submit();
