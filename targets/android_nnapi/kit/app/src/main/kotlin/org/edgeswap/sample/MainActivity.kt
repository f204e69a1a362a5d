package org.edgeswap.sample

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.widget.Button
import android.widget.LinearLayout
import android.widget.TextView
import java.io.File
import java.util.concurrent.Executors
import org.edgeswap.android.Phone
import org.edgeswap.android.Saving
import org.edgeswap.android.SigningIdentity
import org.edgeswap.android.Swapper
import org.edgeswap.core.Releasable

/**
 * The shortest app around the library: choose a bundle, choose a picture, save what came of it.
 * The signing key `edge-swap` and files/chain.pem are the operator's to install (see README.md), as
 * are the builders that are trusted.
 */
class MainActivity : Activity() {
    private val worker = Executors.newSingleThreadExecutor()
    private lateinit var said: TextView
    private var bundle: File? = null
    @Volatile private var done: Releasable? = null // the worker's, and looked at where the screen is drawn

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        said = TextView(this)
        setContentView(LinearLayout(this).apply {
            orientation = LinearLayout.VERTICAL
            addView(button("Choose a bundle (.zip)") { choose(BUNDLE, "application/zip") })
            addView(button("Import a revocation") { choose(REVOCATION, "*/*") })
            addView(button("Swap a picture of yourself") { choose(PICTURE, "image/*") })
            addView(button("Save") { save() })
            addView(button("Self-test (JSON below; takes a minute)") { selftest() })
            addView(said)
        })
    }

    private fun button(text: String, action: () -> Unit) = Button(this).apply { this.text = text; setOnClickListener { action() } }

    private fun choose(code: Int, type: String) =
        startActivityForResult(Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType(type), code)

    private fun selftest() = worker.execute {
        val text = try {
            open().use { it.selftest(this) }
        } catch (error: Exception) {
            error.message ?: error.toString()
        }
        runOnUiThread { said.text = text; said.setTextIsSelectable(true) }
    }

    private fun open(): Swapper {
        val zip = bundle ?: throw java.io.IOException("Choose a bundle first")
        return Swapper.open(this, zip, Phone(this), SigningIdentity("edge-swap", File(filesDir, "chain.pem").readText()))
    }

    private fun save() {
        if (done == null) { said.text = NOTHING; return }
        val intent = Intent(Intent.ACTION_CREATE_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE)
        startActivityForResult(intent.setType("image/jpeg").putExtra(Intent.EXTRA_TITLE, "swap.jpg"), SAVE)
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        val uri = data?.data?.takeIf { result == RESULT_OK } ?: return
        worker.execute {
            val text = try {
                when (request) {
                    BUNDLE -> "Bundle chosen".also { bundle = File(cacheDir, "bundle.zip").apply { writeBytes(read(uri)) } }
                    REVOCATION -> "Imported".also { Phone(this).import(read(uri)); done = null }
                    PICTURE -> swap(read(uri))
                    else -> "Saved".also { Saving.save(this, done ?: throw java.io.IOException(NOTHING), uri) }
                }
            } catch (error: Exception) {
                error.message ?: error.toString() // one line that says what is wrong
            }
            runOnUiThread { said.text = text }
        }
    }

    private fun swap(picture: ByteArray): String {
        done = null // what was made before is not what is saved next
        return open().use {
            done = it.swap(picture, purpose = "avatar", targetIs = "self", language = "en")
            "Swapped, labelled and signed by ${it.way}"
        }
    }

    private fun read(uri: android.net.Uri): ByteArray =
        contentResolver.openInputStream(uri)?.use { it.readBytes() } ?: throw java.io.IOException("cannot be read")

    private companion object {
        const val BUNDLE = 1; const val REVOCATION = 2; const val PICTURE = 3; const val SAVE = 4
        const val NOTHING = "Nothing to save: swap a picture first"
    }
}
