package org.edgeswap.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** `Goldens VECTORS CARD VALUES`: the page's check, and what a model gave (float32) compared. */
object Goldens {
    @JvmStatic
    fun main(args: Array<String>) {
        println("check ${Golden.check()}")
        val card = Card.parse(File(args[1]).readBytes())
        val values = ByteBuffer.wrap(File(args[2]).readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        val given = FloatArray(values.remaining()).also { values.get(it) }
        for (vector in Golden.parse(File(args[0]).readBytes())) {
            val found = Golden.compare(given, card, vector)
            println("${vector.name} ${found.psnr} ${found.same} ${found.psnrFloat} ${found.psnrFloatBuilt}")
        }
    }
}

/** `Finding FOLDER WIDTH HEIGHT CARD...`: faces of FOLDER/frame, by outputs that lie there as float32. */
object Finding {
    @JvmStatic
    fun main(args: Array<String>) {
        val folder = File(args[0])
        val cards = args.drop(3).map { Card.parse(File(it).readBytes()) }
        cards.forEach { println("card ${it.name} ${it.kind} ${it.size} ${it.mask} ${it.composited} ${it.looks}") }
        fun bytes(values: FloatArray) = ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN).apply { asFloatBuffer().put(values) }.array()
        val runner = Runner { input, shape ->
            File(folder, "input").writeBytes(bytes(input))
            println("shape ${shape.joinToString(" ")}")
            folder.listFiles()!!.filter { '_' in it.name }.associate { file ->
                val values = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
                file.name to FloatArray(values.remaining()).also { values.get(it) }
            }
        }
        val frame = Frame(args[1].toInt(), args[2].toInt(), File(folder, "frame").readBytes())
        for (face in Detection(cards.single { it.kind == "detector" }, runner, null, null).find(frame)) {
            println("face ${face.x} ${face.y} ${face.width} ${face.height} ${face.score} ${face.landmarks.joinToString(" ")}")
        }
        val judge = cards.single { it.kind == "landmarker" }
        for (sure in listOf(0.03f, 0.6f, 1f)) {
            val placer = Runner { _, _ -> mapOf(judge.face to floatArrayOf(sure), judge.output to FloatArray(10) { judge.template!![it].toFloat() }) }
            val found = Detection(cards.single { it.kind == "detector" }, runner, judge, placer).find(frame)
            println("judged $sure ${found.map { it.score }.sorted().joinToString(" ")}")
        }
    }
}
